/** Reads LevelDB's numbers and strings one after the other. Throws a RangeError where the bytes end before. */
export class Varints {
  readonly #bytes: Buffer
  #at = 0

  constructor(bytes: Buffer) {
    this.#bytes = bytes
  }

  get done(): boolean {
    return this.#at >= this.#bytes.length
  }

  /** Exact up to 2^53; what is larger lies behind the end of every file. */
  number(): number {
    let value = 0
    for (let scale = 1; ; scale *= 128) {
      const byte = this.#bytes.readUInt8(this.#at++)
      value += (byte & 0x7f) * scale
      if (byte < 0x80) return value
    }
  }

  /** Passes over so many bytes, and answers them. */
  take(length: number): Buffer {
    const end = this.#at + length
    if (end > this.#bytes.length) throw new RangeError(`${length} bytes run out of ${this.#bytes.length}`)
    const taken = this.#bytes.subarray(this.#at, end)
    this.#at = end
    return taken
  }
}
