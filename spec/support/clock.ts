import { Clock } from '../../src/lib/clock.ts'

/** A clock that goes on by itself and can be put forward. */
export class ForwardClock extends Clock {
  #ahead = 0n

  /** Milliseconds. */
  pass(time: number): void {
    this.#ahead += BigInt(Math.round(time * 1e6))
  }

  override now(): bigint {
    return super.now() + this.#ahead
  }
}
