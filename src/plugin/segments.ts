import { type Bytes, hex, OutOfBounds } from '../lib/bytes.ts'
import { PluginError } from './error.ts'

/** A run of the file, and where the loader puts it. What it fills with zeros beyond that run is not part of it. */
export interface Segment {
  readonly address: number
  readonly offset: number
  readonly size: number
}

// Windows takes at most 96 sections; linkers make a dozen segments.
const MAX_SEGMENTS = 256

/** Which byte of the file stands at which address. */
export class Segments {
  readonly #file: Bytes
  readonly #sorted: readonly Segment[]

  constructor(file: Bytes, segments: Iterable<Segment>) {
    const filled = [...segments].filter(segment => segment.size > 0)
    if (filled.length > MAX_SEGMENTS) {
      throw new PluginError('not-supported', `the file has more than ${MAX_SEGMENTS} segments`)
    }
    const sorted = filled.sort((a, b) => a.address - b.address)
    let end = 0
    for (const { address, offset, size } of sorted) {
      if (address < end) throw new PluginError('not-executable', `segments overlap at ${hex(address)}`)
      end = address + size
      file.slice(offset, size, 'a segment')
    }
    this.#file = file
    this.#sorted = sorted
  }

  /** The bytes at this address. Throws `OutOfBounds` where not all of them lie in one segment. */
  read(address: number, length: number, what: string): Bytes {
    return this.#file.slice(this.offset(address, length, what), length, what)
  }

  /** All bytes from this address to the end of its segment. */
  from(address: number, what: string): Bytes {
    const segment = this.#at(address, what)
    return this.read(address, segment.address + segment.size - address, what)
  }

  /** Where in the file the bytes at this address are. */
  offset(address: number, length: number, what: string): number {
    const segment = this.#at(address, what)
    if (address + length > segment.address + segment.size) {
      throw new OutOfBounds(`${what} at address ${hex(address)} runs out of its segment`)
    }
    return segment.offset + (address - segment.address)
  }

  #at(address: number, what: string): Segment {
    let low = 0
    let high = this.#sorted.length
    while (low < high) {
      const middle = (low + high) >>> 1
      const segment = this.#sorted[middle]
      if (segment && segment.address + segment.size <= address) low = middle + 1
      else high = middle
    }
    const segment = this.#sorted[low]
    if (segment && segment.address <= address) return segment
    throw new OutOfBounds(`${what} at address ${hex(address)} is in no segment`)
  }
}
