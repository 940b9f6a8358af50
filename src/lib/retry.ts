/** Between two attempts nothing brings the next one sooner, in milliseconds. */
const LEAST_MS = 200
/** The longest pause between two attempts, in milliseconds. */
const MOST_MS = 5000

/** Work that is tried in the background again and again, with growing pauses, until it succeeds. */
export class Retry {
  readonly #work: () => Promise<boolean>
  #needed = false
  #stopped = false
  #running: Promise<void> | undefined
  #wake = () => {}

  /** `work` returns whether it is done; it has to take care of its errors. */
  constructor(work: () => Promise<boolean>) {
    this.#work = work
  }

  /** The work is to be done, beginning now; if it is under way already, once more afterwards. */
  begin(): void {
    if (this.#stopped) return
    this.#needed = true
    this.#running ??= this.#run()
  }

  /** The next attempt need not wait for the end of a long pause. */
  soon(): void {
    this.#wake()
  }

  /** No attempt begins any more; resolves when the one under way has ended. */
  async stop(): Promise<void> {
    this.#stopped = true
    this.#wake()
    await this.#running
  }

  async #run(): Promise<void> {
    for (let pause = LEAST_MS; this.#needed && !this.#stopped; ) {
      this.#needed = false
      if (await this.#work()) continue
      this.#needed = true
      await this.#wait(LEAST_MS)
      await this.#wait(pause - LEAST_MS, true)
      pause = Math.min(2 * pause, MOST_MS)
    }
    this.#running = undefined
  }

  async #wait(milliseconds: number, short = false): Promise<void> {
    if (this.#stopped || milliseconds <= 0) return
    await new Promise<void>(resolve => {
      const timer = setTimeout(resolve, milliseconds).unref()
      this.#wake = () => {
        if (!short && !this.#stopped) return
        clearTimeout(timer)
        resolve()
      }
    })
    this.#wake = () => {}
  }
}
