import type { Batch } from '../index/batch.ts'
import { type Op, put, type Reader } from '../index/contract.ts'
import { LAST_TIME } from '../index/tables.ts'
import type { Clock } from '../lib/clock.ts'

/**
 * Times are given out under different locks, so one that is a little earlier may be written last. In nanoseconds: much
 * longer than a change takes, and no longer than a restart.
 */
const MARGIN_NS = 1_000_000_000n

/** Part of a change that gives something this time, in nanoseconds: a later start goes on after it. */
export async function noteTime(batch: Batch, time: bigint): Promise<void> {
  const last = await batch.get(LAST_TIME, 'given')
  if (!last || BigInt(last.time) < time) batch.put(LAST_TIME, ['given'], timeRow(time))
}

/** The same as a change of its own. */
export function timeChange(clock: Clock): Op {
  return put(LAST_TIME, ['given'], timeRow(clock.now()))
}

/** Lets the clock go on after the last time in the index. Returns how far the system's clock is behind it, in nanoseconds. */
export async function continueClock(reader: Reader, clock: Clock): Promise<bigint> {
  const last = await reader.get(LAST_TIME, 'given')
  if (!last) return 0n
  const time = BigInt(last.time)
  // Only if the clock was put back: each of many short commands would go ahead of the system's time by the margin.
  return clock.startAfter(clock.system() < time ? time + MARGIN_NS : time)
}

function timeRow(time: bigint): { time: string } {
  return { time: `${time}` }
}
