import { CHUNK, chunkSize } from '../lib/chunk-pool.ts'

/** Chunks are as large as possible while all transfers together hold less than this, in bytes. */
const MANY_BYTES = 96 * 1024 * 1024

/** From here on they are as small as possible. */
const TOO_MANY_BYTES = 160 * 1024 * 1024

const SMALL_CHUNK = 64 * 1024
const SMALLEST_CHUNK = 16 * 1024

/**
 * Memory of responses that are read from files while they are sent. A large chunk is faster and a slow client holds it
 * for long, so chunks get smaller as more bytes are in flight: 1000 clients that read nothing hold less than 200 MiB.
 */
export class Transfers {
  #bytes = 0

  /** Bytes held by all transfers. */
  get bytes(): number {
    return this.#bytes
  }

  begin(): Transfer {
    return new Transfer(
      () => this.#most(),
      bytes => {
        this.#bytes += bytes
      },
    )
  }

  #most(): number {
    if (this.#bytes < MANY_BYTES) return CHUNK
    return this.#bytes < TOO_MANY_BYTES ? SMALL_CHUNK : SMALLEST_CHUNK
  }
}

/** The chunks of one response: one that is written, and the next, which is read meanwhile. */
class Transfer {
  readonly #most: () => number
  readonly #add: (bytes: number) => void
  #written = 0
  #next = 0
  #ended = false

  constructor(most: () => number, add: (bytes: number) => void) {
    this.#most = most
    this.#add = add
  }

  /** How large the next chunk may be, in bytes, if so many are left. */
  readonly nextChunk = (left: number): number => {
    const size = chunkSize(Math.min(left, this.#most()))
    // A read that had waited for its bytes when the client left.
    if (this.#ended) return size
    this.#add(size - this.#written)
    this.#written = this.#next
    this.#next = size
    return size
  }

  /** Call it when the response has ended, however it ended. */
  end(): void {
    if (this.#ended) return
    this.#ended = true
    this.#add(-this.#written - this.#next)
  }
}

/** Of this process, whose memory is one. */
export const transfers = new Transfers()
