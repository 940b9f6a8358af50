import { Clock } from '../../src/lib/clock.ts'

/** A clock that goes on by itself, and can be put forward and back. */
export class ForwardClock extends Clock {
  #passed = 0n
  #ahead = 0n

  /** Lets so many milliseconds pass, and one more, because the time of the system is whole milliseconds. */
  pass(time: number): void {
    this.#passed += nanos(time + 1)
  }

  /** Puts the clock of the system forward by so many milliseconds, or back. */
  step(time: number): void {
    this.#ahead += nanos(time)
  }

  override system(): bigint {
    return super.system() + this.#passed + this.#ahead
  }

  override running(): bigint {
    return super.running() + this.#passed
  }
}

function nanos(milliseconds: number): bigint {
  return BigInt(Math.round(milliseconds * 1e6))
}
