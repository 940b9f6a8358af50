import { setTimeout as sleep } from 'node:timers/promises'

/**
 * Ends a wait that would never end. It says nothing about how long something may take: a spec beside many busy
 * processes gets a small part of one core. Shorter than the limit of mocha (.mocharc.json), because this error says
 * what was waited for.
 */
const HANGS_MS = 180_000

const LOOK_EVERY_MS = 5

/** Waits until the condition holds, and returns what it returned. `what` is called only for the error. */
export async function until<T>(
  holds: () => T | Promise<T>,
  what: () => string = () => `${holds}`,
): Promise<NonNullable<T>> {
  const begun = performance.now()
  for (;;) {
    const held = await holds()
    if (held) return held
    if (performance.now() - begun > HANGS_MS) throw new Error(`waited ${HANGS_MS / 1000} s for ${what()}`)
    await sleep(LOOK_EVERY_MS)
  }
}
