import type { OpenFile } from '../lib/open-file.ts'
import { type Algorithm, type Digest, Hasher } from '../oci/digest.ts'

const CHUNK = 1024 * 1024

/**
 * The hash of the first bytes of a staged file. It is only a cache: bytes that it has not seen, because
 * another process wrote them or the algorithm is another, are read from the file when the digest is asked for.
 */
export class StagedHash {
  #hasher: Hasher
  /** How many bytes of the file are in the hash. */
  #hashed = 0

  constructor(algorithm: Algorithm) {
    this.#hasher = new Hasher(algorithm)
  }

  /** Takes bytes on their way to that position of the file. */
  update(chunks: readonly Uint8Array[], position: number): void {
    if (position !== this.#hashed) return
    for (const chunk of chunks) this.#add(chunk)
  }

  /** Says that the file was cut to that size; a hash cannot go back, so one that is past it starts again. */
  cut(size: number): void {
    if (this.#hashed > size) this.#restart(this.#hasher.algorithm)
  }

  /** The digest of the file's first `size` bytes. */
  async digest(file: OpenFile, size: number, algorithm: Algorithm = this.#hasher.algorithm): Promise<Digest> {
    this.cut(size)
    if (algorithm !== this.#hasher.algorithm) this.#restart(algorithm)
    const buffer = Buffer.allocUnsafe(Math.min(CHUNK, size - this.#hashed))
    while (this.#hashed < size) {
      const length = Math.min(buffer.length, size - this.#hashed)
      const { bytesRead } = await file.read(buffer, 0, length, this.#hashed)
      if (bytesRead === 0) throw new Error(`the staged file ends at byte ${this.#hashed}, not at ${size}`)
      this.#add(buffer.subarray(0, bytesRead))
    }
    return this.#hasher.digest()
  }

  #add(bytes: Uint8Array): void {
    this.#hasher.update(bytes)
    this.#hashed += bytes.length
  }

  #restart(algorithm: Algorithm): void {
    this.#hasher = new Hasher(algorithm)
    this.#hashed = 0
  }
}
