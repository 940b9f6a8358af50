import type { WriteStream } from 'node:tty'

/** Milliseconds between two texts. */
const PERIOD = 100

/** One line that is written over and over while work goes on; only on a terminal. */
export class StatusLine {
  readonly #terminal: WriteStream
  readonly #now: () => number
  #shown = Number.NEGATIVE_INFINITY

  /** `now`: a clock in milliseconds that is never put back. */
  constructor(terminal: WriteStream = process.stderr, now: () => number = () => performance.now()) {
    this.#terminal = terminal
    this.#now = now
  }

  show(text: () => string): void {
    const now = this.#now()
    if (!this.#terminal.isTTY || now - this.#shown < PERIOD) return
    this.#shown = now
    // A terminal that does not know its width says 0.
    this.#terminal.write(`\r\x1b[K${text().slice(0, (this.#terminal.columns || 80) - 1)}`)
  }

  /** Makes room for what is printed for good. */
  clear(): void {
    if (this.#terminal.isTTY) this.#terminal.write('\r\x1b[K')
  }
}
