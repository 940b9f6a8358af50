import { setTimeout as sleep } from 'node:timers/promises'

/** Longest wait that a timer keeps. */
const LONGEST = 2 ** 31 - 1

/** The first time is not so far away: a process may not live as long as the wait between two. */
const FIRST = 60_000

/**
 * Runs the work again and again, with so many milliseconds between; never, where they are infinite.
 * `stop` aborts the signal and waits for work under way. The work has to take care of its errors.
 */
export function every(
  milliseconds: number,
  work: (signal: AbortSignal) => Promise<void>,
): { stop(): Promise<void> } {
  const stopping = new AbortController()
  const { signal } = stopping
  const ended = Number.isFinite(milliseconds) ? run() : Promise.resolve()
  return {
    stop: async () => {
      stopping.abort()
      await ended
    },
  }

  async function run(): Promise<void> {
    await wait(Math.min(milliseconds, FIRST))
    while (!signal.aborted) {
      await work(signal)
      await wait(Math.min(milliseconds, LONGEST))
    }
  }

  async function wait(time: number): Promise<void> {
    await sleep(time, undefined, { signal, ref: false }).catch(() => {})
  }
}
