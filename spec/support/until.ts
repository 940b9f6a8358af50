import { setTimeout as sleep } from 'node:timers/promises'

/** Asks again and again until it is true. The time limit of the spec ends it. */
export async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await condition())) await sleep(10)
}
