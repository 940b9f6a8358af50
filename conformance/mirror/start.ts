import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type Server, startServer } from '../support/server.ts'

/** An entry of the mirrors file. */
export interface Entry {
  readonly name: string
  readonly url: string
  readonly [field: string]: unknown
}

/**
 * Short times, because specs wait for their end. An answer has 12 s: a sound upstream takes less than that on a busy
 * machine, also while hundreds of requests wait for others.
 */
export const IMPATIENT = { tagTtl: '1s', negativeTtl: '1s', connectTimeout: '6s', idleTimeout: '6s' }

/** Writes the mirrors file; entries that do not say so are of OCI registries. */
export async function writeMirrors(folder: string, mirrors: readonly Entry[]): Promise<string> {
  await mkdir(folder, { recursive: true })
  const file = join(folder, 'mirrors.json')
  await writeFile(file, JSON.stringify({ mirrors: mirrors.map(entry => ({ kind: 'oci', ...entry })) }))
  return file
}

/** A registry in a process of its own that mirrors these upstreams. */
export async function startMirror(
  folder: string,
  mirrors: readonly Entry[],
  env: Record<string, string> = {},
): Promise<Server> {
  return startServer(folder, {
    MEMFLOW_MIRRORS_FILE: await writeMirrors(folder, mirrors),
    ...env,
  })
}
