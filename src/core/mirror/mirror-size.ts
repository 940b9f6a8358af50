/** So many transfers at a time are staged. */
const MAX_STAGED = 64

/**
 * What is kept may exceed the limit, because content in use is not evicted. Beyond this many times the limit nothing
 * more is kept.
 */
const MAX_EXCESS = 2

/** How many bytes mirrored content takes: what is kept, and what is staged on its way. */
export class MirrorSize {
  readonly max: number
  /** Kept, as it was counted last; undefined before that. */
  #counted: number | undefined
  /** Kept since. */
  #added = 0
  #staged = 0
  #transfers = 0

  /** `max` in bytes; Infinity: no limit. */
  constructor(max: number) {
    this.max = max
  }

  /** Bytes by which kept and staged content exceeds the limit; Infinity if it was never counted. */
  get excess(): number {
    if (this.#counted === undefined)
      return this.max === Number.POSITIVE_INFINITY ? 0 : Number.POSITIVE_INFINITY
    return this.#counted + this.#added + this.#staged - this.max
  }

  /** Staged and not kept yet. */
  get staged(): number {
    return this.#staged
  }

  /** So many bytes more are kept. */
  add(bytes: number): void {
    this.#added += bytes
  }

  /** To be called before a count: what is added from now on may not be in it. */
  beginCount(): void {
    if (this.#counted !== undefined) this.#counted += this.#added
    this.#added = 0
  }

  /** How many bytes are kept. */
  set counted(bytes: number) {
    this.#counted = bytes
  }

  /** Whether so many bytes can be staged now. */
  fits(bytes: number): boolean {
    if (this.#transfers >= MAX_STAGED || this.#staged + bytes > this.max) return false
    return (this.#counted ?? 0) + this.#added + this.#staged + bytes <= this.max * MAX_EXCESS
  }

  /** Takes so many bytes for a transfer, if they fit. The returned function gives them back. */
  reserve(bytes: number): (() => void) | undefined {
    if (!this.fits(bytes)) return undefined
    this.#staged += bytes
    this.#transfers++
    return () => {
      this.#staged -= bytes
      this.#transfers--
    }
  }
}
