import { Client, type Headers } from './client.ts'
import { type Figure, figureOf, inTurns, type Turns, type Unit } from './figure.ts'
import type { Peer } from './peers.ts'
import { wrk } from './wrk.ts'

/** What ours should reach: so many times the best of those peers. */
export interface Aim {
  readonly against: readonly string[]
  readonly least: number
}

/** A row of a table: something that several servers do. */
export interface Work {
  readonly title: string
  readonly unit: Unit
  /** Who can do it. */
  readonly by: readonly string[]
  readonly aims: readonly Aim[]
  /** Throws where the peer answers it wrong. */
  readonly check?: (peer: Peer) => Promise<void>
  readonly measure: (peer: Peer, seconds: number) => Promise<Figure>
}

export interface Row extends Pick<Work, 'title' | 'unit' | 'aims'> {
  /** By the peer's name: medians, and what they come from. */
  readonly figures: Readonly<Record<string, Figure>>
  readonly rounds: Readonly<Record<string, readonly Figure[]>>
}

export interface Reading extends Pick<Work, 'title' | 'by' | 'aims'> {
  readonly unit?: Unit
  readonly connections: number
  readonly path: string
  /** Says of the body that it is what was stored. */
  readonly isRight: (body: Buffer) => boolean
  readonly headers?: (peer: Peer) => Promise<Headers>
}

/** A GET of one path. */
export function reading({ path, isRight, connections, unit = 'req/s', headers, ...work }: Reading): Work {
  const headersFor = async (peer: Peer) => (await headers?.(peer)) ?? {}
  return {
    ...work,
    unit,
    check: async peer => {
      const client = new Client(peer.service.url)
      try {
        const { body } = await client.expect(200, 'GET', path, await headersFor(peer))
        if (!isRight(body)) throw new Error(`${peer.name} answers ${path} wrong: ${body.subarray(0, 300)}`)
      } finally {
        client.close()
      }
    },
    measure: async (peer, seconds) => {
      const load = { connections, seconds, headers: await headersFor(peer) }
      return await figureOf(peer, unit, () => wrk(peer.service.url + path, load))
    },
  }
}

/** Measures all works, in each round the peers one after the other. */
export async function measureRows(
  works: readonly Work[],
  peers: readonly Peer[],
  { rounds, seconds }: { rounds: number; seconds: number },
  onRow: (row: Row) => void,
): Promise<Row[]> {
  const rows: Row[] = []
  for (const { title, unit, aims, by, check, measure } of works) {
    const able = peers.filter(({ name }) => by.includes(name))
    for (const peer of able) {
      await check?.(peer)
      // Whoever has just been started compiles and fills its caches meanwhile.
      await measure(peer, 1)
    }
    const turns = await inTurns(able, rounds, peer => measure(peer, seconds))
    const byName = <T>(part: (turn: Turns) => T) =>
      Object.fromEntries(turns.map((turn, i) => [able[i]?.name, part(turn)]))
    const row: Row = {
      title,
      unit,
      aims,
      figures: byName(({ median }) => median),
      rounds: byName(({ rounds }) => rounds),
    }
    onRow(row)
    rows.push(row)
  }
  return rows
}

/** Ours beside the best of the others, by the rate; undefined where none of them was there. */
export function ratioOf({ figures }: Row, against: readonly string[], ours: string): number | undefined {
  const best = Math.max(...against.map(name => figures[name]?.rate ?? 0))
  return best > 0 ? (figures[ours]?.rate ?? 0) / best : undefined
}
