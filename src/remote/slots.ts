/** Lets so many work at a time; others wait in line, for so many milliseconds at most. */
export class Slots {
  #free: number
  readonly #patience: number
  readonly #waiting = new Set<() => void>()

  constructor(count: number, patience: number) {
    this.#free = count
    this.#patience = patience
  }

  /** What gives the slot back, once; undefined where none was free in time. */
  async take(): Promise<(() => void) | undefined> {
    if (this.#free > 0) this.#free--
    else if (!(await this.#turn())) return undefined
    let held = true
    return () => {
      if (held) this.#pass()
      held = false
    }
  }

  #turn(): Promise<boolean> {
    return new Promise(resolve => {
      const turn = () => {
        clearTimeout(timer)
        resolve(true)
      }
      const timer = setTimeout(() => {
        this.#waiting.delete(turn)
        resolve(false)
      }, this.#patience)
      this.#waiting.add(turn)
    })
  }

  #pass(): void {
    const [next] = this.#waiting
    if (!next) this.#free++
    else {
      this.#waiting.delete(next)
      next()
    }
  }
}
