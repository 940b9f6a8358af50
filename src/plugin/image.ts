import type { Bytes } from '../lib/bytes.ts'
import type { Architecture, FileType } from './descriptor.ts'

export interface Export {
  readonly name: string
  readonly address: number
}

/**
 * A binary as the system's loader would lay it out. Addresses are those of the file's own numbering,
 * before it is moved anywhere; parsers throw `OutOfBounds` and `PluginError`.
 */
export interface Image {
  /** The file, or its slice of a universal one. */
  readonly bytes: Bytes
  readonly fileType: FileType
  readonly architecture: Architecture
  readonly pointerSize: 4 | 8
  /** What is exported under names that begin so, in the order of the file's export table. */
  exports(prefix: string): Iterable<Export>
  /** What is loaded at this address. */
  read(address: number, length: number, what: string): Bytes
  /** Where the pointers in these slots point once the loader has relocated them; null is 0. */
  pointers(slots: readonly number[]): Map<number, number>
}
