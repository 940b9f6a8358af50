/** A read that leaves its bytes. */
export class OutOfBounds extends Error {
  override readonly name = 'OutOfBounds'
}

const UTF8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })
const LATIN1 = new TextDecoder('latin1')

/**
 * Untrusted bytes, behind one bounds check: every read that leaves them throws `OutOfBounds`.
 * Numbers are little-endian unless their name says otherwise.
 */
export class Bytes {
  readonly size: number
  /** What these bytes are, for the error's text. */
  readonly #what: string
  readonly #array: Uint8Array
  readonly #view: DataView

  constructor(array: Uint8Array, what: string) {
    this.size = array.byteLength
    this.#what = what
    this.#array = array
    this.#view = new DataView(array.buffer, array.byteOffset, array.byteLength)
  }

  u8(at: number): number {
    this.#check(at, 1)
    return this.#view.getUint8(at)
  }

  u16(at: number): number {
    this.#check(at, 2)
    return this.#view.getUint16(at, true)
  }

  u32(at: number): number {
    this.#check(at, 4)
    return this.#view.getUint32(at, true)
  }

  i32(at: number): number {
    this.#check(at, 4)
    return this.#view.getInt32(at, true)
  }

  u32be(at: number): number {
    this.#check(at, 4)
    return this.#view.getUint32(at, false)
  }

  /** Exact up to 2^53. What is rounded lies beyond, where there is no byte of any file: it fails the next check. */
  u64(at: number): number {
    this.#check(at, 8)
    return this.#view.getUint32(at + 4, true) * 2 ** 32 + this.#view.getUint32(at, true)
  }

  /** Exact where the magnitude is below 2^53. */
  i64(at: number): number {
    this.#check(at, 8)
    return this.#view.getInt32(at + 4, true) * 2 ** 32 + this.#view.getUint32(at, true)
  }

  /** Rounded as `u64`. */
  u64be(at: number): number {
    this.#check(at, 8)
    return this.#view.getUint32(at, false) * 2 ** 32 + this.#view.getUint32(at + 4, false)
  }

  /** A pointer or a number of that many bytes. */
  word(at: number, size: 4 | 8): number {
    return size === 8 ? this.u64(at) : this.u32(at)
  }

  /** The same, signed. */
  int(at: number, size: 4 | 8): number {
    return size === 8 ? this.i64(at) : this.i32(at)
  }

  /** A part of these bytes, not a copy. */
  slice(at: number, length: number, what: string): Bytes {
    this.#check(at, length, what)
    return new Bytes(this.#array.subarray(at, at + length), what)
  }

  /** The text that these bytes are, or undefined where they are no UTF-8. */
  utf8(): string | undefined {
    try {
      return UTF8.decode(this.#array)
    } catch {
      return undefined
    }
  }

  /** Where the next NUL is. Throws where there is none. */
  nul(from: number): number {
    this.#check(from, 1)
    const at = this.#array.indexOf(0, from)
    if (at < 0) throw new OutOfBounds(`a string at ${hex(from)} runs out of ${this.#what}`)
    return at
  }

  /** The bytes of a C string, a character each. */
  cstring(at: number): string {
    return LATIN1.decode(this.#array.subarray(at, this.nul(at)))
  }

  /** Whether this ASCII text is here. Never throws: what lies outside is no such text. */
  startsWith(text: string, at: number): boolean {
    if (!this.#has(at, text.length)) return false
    for (let i = 0; i < text.length; i++) {
      if (this.#view.getUint8(at + i) !== text.charCodeAt(i)) return false
    }
    return true
  }

  /** The first bytes, at most `max`, in hexadecimal digits. */
  hex(max: number): string {
    return Buffer.from(this.#array.buffer, this.#array.byteOffset, Math.min(max, this.size)).toString('hex')
  }

  /** At most `max` bytes from here on, a character each; fewer where these bytes end. */
  latin1(at: number, max: number): string {
    this.#check(at, 0)
    return LATIN1.decode(this.#array.subarray(at, at + max))
  }

  /**
   * Where one of these ASCII texts, all of one length, is: in the order of the file, at most `max` times. One pass,
   * by Horspool's algorithm for a set of words: the byte under a word's end tells how far the next one is at least.
   */
  search(texts: readonly string[], max: number): number[] {
    const array = this.#array
    const last = (texts[0]?.length ?? 1) - 1
    const shifts = new Uint8Array(256).fill(last + 1)
    const ending: Uint8Array[][] = Array.from({ length: 256 }, () => [])
    for (const text of texts) {
      const word = Buffer.from(text, 'latin1')
      for (const [i, byte] of word.subarray(0, last).entries())
        shifts[byte] = Math.min(shifts[byte] as number, last - i)
      ending[word[last] ?? 0]?.push(word)
    }
    const ends = Uint8Array.from(ending, words => words.length)
    const found: number[] = []
    for (let end = last; end < array.length; ) {
      const byte = array[end] as number
      if (ends[byte] !== 0) {
        for (const word of ending[byte] as Uint8Array[]) {
          let i = last - 1
          while (i >= 0 && array[end - last + i] === word[i]) i--
          if (i < 0 && found.push(end - last) >= max) return found
        }
      }
      end += shifts[byte] as number
    }
    return found
  }

  // False for NaN too, which a DataView takes for 0.
  #has(at: number, length: number): boolean {
    return at >= 0 && length >= 0 && at + length <= this.size
  }

  #check(at: number, length: number, what?: string): void {
    if (this.#has(at, length)) return
    const part = what ?? `${length} bytes`
    throw new OutOfBounds(`${part} at ${hex(at)} runs out of ${this.#what} (${hex(this.size)} bytes)`)
  }
}

/** A number as binary formats' documents write it. */
export function hex(n: number): string {
  return n < 0 ? `-0x${(-n).toString(16)}` : `0x${n.toString(16)}`
}
