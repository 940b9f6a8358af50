import { join } from 'node:path'
import { type Peer, startOriginal, startOurs } from './peers.ts'
import type { Rounds } from './registries.ts'
import { pushPlugins, REST_WORKS } from './rest-works.ts'
import { lineOf } from './table.ts'
import { measureRows, type Row } from './work.ts'

/** The REST API, beside the original where its binary is given. */
export async function measureRest(
  folder: string,
  { only, ...rounds }: Rounds,
  original?: string,
): Promise<Row[]> {
  const works = REST_WORKS.filter(({ title }) => only.test(title))
  if (works.length === 0) return []
  const peers: Peer[] = []
  try {
    peers.push(await startOurs(join(folder, 'rest')))
    if (original) peers.push(await startOriginal(join(folder, 'original'), original))
    else console.log('the original of the REST API is left out: --original names its binary')
    for (const peer of peers) await pushPlugins(peer)
    return await measureRows(works, peers, rounds, row => console.log(lineOf(row)))
  } finally {
    for (const { service } of peers) await service.stop()
  }
}
