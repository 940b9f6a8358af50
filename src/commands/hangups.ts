/** Takes SIGHUP from its making on, because a signal that comes during a start would end the process. */
export class Hangups {
  /** Signals that stop the server: in a terminal this one says that the terminal was closed. */
  readonly inTerminal: readonly NodeJS.Signals[]
  #listener: () => void
  #missed = false

  constructor(isTerminal: boolean = process.stdout.isTTY) {
    this.inTerminal = isTerminal ? ['SIGHUP'] : []
    this.#listener = () => {
      this.#missed = true
    }
    if (!isTerminal) process.on('SIGHUP', () => this.#listener())
  }

  /** Calls the function at each one from now on, and at once if one came before. */
  listen(listener: () => void): void {
    this.#listener = listener
    if (this.#missed) listener()
  }
}
