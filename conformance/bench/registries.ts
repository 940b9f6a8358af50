import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { Content, REPOSITORY } from './content.ts'
import { OURS, type Peer, startDisk, startKoa, startNginx, startRegistries } from './peers.ts'
import { registryWorks } from './registry-works.ts'
import { lineOf } from './table.ts'
import { measureRows, type Row } from './work.ts'

export interface Rounds {
  readonly rounds: number
  /** Of each measurement. */
  readonly seconds: number
  /** Titles that match are measured. */
  readonly only: RegExp
}

/** Starts all servers that are here, puts the same into each, and measures them side by side. */
export async function measureRegistries(folder: string, { only, ...rounds }: Rounds): Promise<Row[]> {
  const content = new Content()
  const works = registryWorks(content).filter(({ title }) => only.test(title))
  if (works.length === 0) return []
  const peers: Peer[] = []
  try {
    peers.push(...(await startRegistries(folder)))
    const withLarge = works.some(({ title }) => title.includes('200 MiB'))
    for (const peer of peers) await content.push(peer, withLarge)
    const ours = peers.find(({ name }) => name === OURS)
    const manifest = `/v2/${REPOSITORY}/manifests/${content.manifestDigest}`
    peers.push(await startKoa(folder, `${ours?.service.url}${manifest}`))
    peers.push(await startDisk(folder))
    const files = join(folder, 'nginx')
    await mkdir(join(files, 'files'), { recursive: true })
    await content.write(join(files, 'files'))
    const nginx = await startNginx(files)
    if (nginx) peers.push(nginx)
    return await measureRows(works, peers, rounds, row => console.log(lineOf(row)))
  } finally {
    for (const { service } of peers) await service.stop()
  }
}
