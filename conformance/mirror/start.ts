import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type Server, startServer } from '../support/server.ts'

/** An entry of the mirrors file. */
export interface Entry {
  readonly name: string
  readonly url: string
  readonly [field: string]: unknown
}

/** Times as short as the file can say, so that specs which wait for their end are soon over. */
export const IMPATIENT = { tagTtl: '1s', negativeTtl: '1s', connectTimeout: '1s', idleTimeout: '1s' }

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
