import { createHash, randomBytes } from 'node:crypto'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { imageManifest } from '../../spec/support/oci.ts'
import { Client } from './client.ts'
import { MIB } from './content.ts'
import type { Peer } from './peers.ts'
import { pushConfig } from './push.ts'
import { type Count, wrk } from './wrk.ts'

const CONNECTIONS = 8
/** More than any registry takes in a second. */
const BLOBS = 1000

/** Manifests, all different, each under a new tag. */
export function loadManifests(peer: Peer, repository: string, seconds: number): Promise<Count> {
  const tag = `${randomBytes(8).toString('hex')}-`
  const annotations = { 'org.example.push': `${tag}${'0'.repeat(10)}` }
  const files = { WRK_MANIFEST: imageManifest([], { annotations }) }
  return load(peer, repository, seconds, files, { WRK_TAG: tag })
}

/** Blobs of 2 MiB, all different, as most clients push: a session, and all bytes with what ends it. */
export async function loadBlobs(peer: Peer, repository: string, seconds: number): Promise<Count> {
  const beginning = randomBytes(2 * MIB - 16)
  const hashed = createHash('sha256').update(beginning)
  const ends = Array.from({ length: BLOBS * seconds }, (_, n) => {
    const end = String(n).padStart(16, '0')
    return `${end} sha256:${hashed.copy().update(end).digest('hex')}\n`
  })
  const files = { WRK_BLOB: beginning, WRK_ENDS: Buffer.from(ends.join('')) }
  const { requests, ...count } = await load(peer, repository, seconds, files)
  return { ...count, requests: requests / 2 }
}

/** `files`: what wrk.lua reads, by the variable that names the file. */
async function load(
  { service, headers }: Peer,
  repository: string,
  seconds: number,
  files: Readonly<Record<string, Buffer>>,
  variables: Readonly<Record<string, string>> = {},
): Promise<Count> {
  const client = new Client(service.url, 1, headers)
  const folder = await mkdtemp(join(tmpdir(), 'push-load-'))
  try {
    await pushConfig(client, repository)
    const env: Record<string, string> = { WRK_REPOSITORY: repository, ...variables }
    for (const [variable, bytes] of Object.entries(files)) {
      env[variable] = join(folder, variable)
      await writeFile(env[variable], bytes)
    }
    return await wrk(service.url, { connections: CONNECTIONS, seconds, headers, env })
  } finally {
    client.close()
    await rm(folder, { recursive: true })
  }
}
