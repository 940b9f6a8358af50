import { RemoteError } from '../../remote/error.ts'

/** How long a request waits for the upstream if the cache has an answer, in milliseconds. */
const PATIENCE_MS = 2000

/** The upstream has not answered within the patience that a request with a cached answer has. */
export class Late extends RemoteError {}

/**
 * How long requests wait for upstreams if the cache has an answer (RFC 5861: stale-while-revalidate, stale-if-error).
 * While an upstream is late, no other request waits for it. After that the circuit knows whether it is dead.
 */
export class Patience {
  readonly #time: number
  readonly #late = new Set<string>()

  /** `time` in milliseconds. */
  constructor(time = PATIENCE_MS) {
    this.#time = time
  }

  /** The outcome of the renewal, which goes on in any case. Throws its error, or `Late`. */
  async wait<T>(upstream: string, renewal: Promise<T>): Promise<T> {
    // The request may be over before the renewal is.
    const ended = () => this.#late.delete(upstream)
    renewal.then(ended, ended)
    const late = () => new Late(upstream, 'timeout', `${upstream}: it has not answered yet`)
    if (this.#late.has(upstream)) throw late()
    let timer: NodeJS.Timeout | undefined
    const expired = new Promise<never>((_, reject) => {
      timer = setTimeout(() => {
        this.#late.add(upstream)
        reject(late())
      }, this.#time)
    })
    try {
      return await Promise.race([renewal, expired])
    } finally {
      clearTimeout(timer)
    }
  }
}
