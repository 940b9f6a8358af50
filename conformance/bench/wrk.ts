import { fileURLToPath } from 'node:url'
import { findClient, run } from '../support/process.ts'
import type { Headers } from './client.ts'

const SCRIPT = fileURLToPath(new URL('wrk.lua', import.meta.url))

/** What a generator of load has counted. */
export interface Count {
  readonly requests: number
  readonly bytes: number
  readonly seconds: number
}

export interface Load {
  readonly connections: number
  readonly seconds: number
  readonly headers?: Headers
  /** What to ask for, see wrk.lua. */
  readonly env?: Readonly<Record<string, string>>
}

/** Asks as often as wrk's one thread can, for the URL where `env` says nothing else. Throws where any answer is not as it should be. */
export async function wrk(
  url: string,
  { connections, seconds, headers = {}, env = {} }: Load,
): Promise<Count> {
  const fields = Object.entries(headers).flatMap(([name, value]) => ['-H', `${name}: ${value}`])
  const { code, stdout, stderr } = await run(
    'wrk',
    ['-t1', `-c${connections}`, `-d${seconds}s`, '--timeout', '60s', '-s', SCRIPT, ...fields, url],
    { env },
  )
  const line = stdout.toString().trimEnd().split('\n').at(-1) ?? ''
  if (code !== 0 || !line.startsWith('{'))
    throw new Error(`wrk ${url} ended with ${code}: ${stdout}${stderr}`)
  const { failed, ...count } = JSON.parse(line) as Count & { failed: number }
  if (failed > 0 || count.requests === 0)
    throw new Error(`wrk ${url}: ${failed} of ${count.requests} answers failed`)
  return count
}

/** Throws where the machine has none. */
export function assertWrk(): void {
  if (!findClient('wrk')) throw new Error('the bench needs wrk on PATH (Debian: apt-get install wrk)')
}
