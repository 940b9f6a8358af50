import type { Peer } from './peers.ts'
import { processorSeconds } from './usage.ts'
import type { Count } from './wrk.ts'

export interface Figure {
  /** Requests a second, or MB a second. */
  readonly rate: number
  /** Processor time of the server for each of them, in µs; absent where there is no /proc. */
  readonly cpu?: number
}

/** What one of several has done. */
export interface Turns {
  readonly median: Figure
  /** What that comes from. */
  readonly rounds: readonly Figure[]
}

export type Unit = 'req/s' | 'MB/s'

/** What the peer did in that load, and what it cost. */
export async function figureOf(peer: Peer, unit: Unit, load: () => Promise<Count>): Promise<Figure> {
  const { pid } = peer.service
  const before = processorSeconds(pid)
  const { requests, bytes, seconds } = await load()
  const after = processorSeconds(pid)
  const done = unit === 'MB/s' ? bytes / 1e6 : requests
  const cpu = before === undefined || after === undefined ? undefined : ((after - before) * 1e6) / done
  return { rate: done / seconds, ...(cpu !== undefined && { cpu }) }
}

/**
 * Measures each of them so many times, one after the other; each one's median. Whoever comes after the same one every
 * time would pay for it every time, so that every other round goes the other way.
 */
export async function inTurns<T>(
  all: readonly T[],
  rounds: number,
  measure: (one: T) => Promise<Figure>,
): Promise<readonly Turns[]> {
  const measured = new Map(all.map((one): [T, Figure[]] => [one, []]))
  for (let round = 0; round < rounds; round++) {
    for (const one of round % 2 ? all.toReversed() : all) measured.get(one)?.push(await measure(one))
  }
  return [...measured.values()].map(rounds => ({ median: medianFigure(rounds), rounds }))
}

/** The median of each number, each on its own. */
function medianFigure(figures: readonly Figure[]): Figure {
  const cpu = figures.flatMap(({ cpu }) => cpu ?? [])
  return { rate: median(figures.map(({ rate }) => rate)), ...(cpu.length > 0 && { cpu: median(cpu) }) }
}

export function median(numbers: readonly number[]): number {
  const sorted = numbers.toSorted((a, b) => a - b)
  const middle = sorted.length / 2
  return ((sorted[Math.ceil(middle) - 1] ?? 0) + (sorted[Math.floor(middle)] ?? 0)) / 2
}
