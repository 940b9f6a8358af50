import { setImmediate as turn } from 'node:timers/promises'

/** Work in one go, in milliseconds. Other requests wait as long. */
const SLICE_MS = 5

/** Lets long work give way to others between its steps. */
export class Yielder {
  #began = performance.now()

  /** Call it before each step, and wait for the promise if there is one: the event loop then takes a turn. */
  yield(): Promise<void> | undefined {
    if (performance.now() - this.#began < SLICE_MS) return undefined
    return turn().then(() => {
      this.#began = performance.now()
    })
  }
}
