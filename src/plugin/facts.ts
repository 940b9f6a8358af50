import type { Bytes } from '../lib/bytes.ts'
import type { Architecture, FileType } from './descriptor.ts'
import { Attempts } from './facts/attempts.ts'
import { elfFacts } from './facts/elf-facts.ts'
import { type Lineage, lineageOf } from './facts/lineage.ts'
import { machoFacts } from './facts/macho-facts.ts'
import { peFacts } from './facts/pe-facts.ts'
import type { Image } from './image.ts'
import { openImages } from './open.ts'
import { memflowExports, SYMBOL } from './struct.ts'

/** Goes up with every change that makes the facts of a binary different; stored with them (docs/analysis.md). */
export const ANALYZER_VERSION = 1

/** What a plugin binary tells about itself beside its plugins. Plain data; docs/analysis.md has every field. */
export interface BinaryFacts {
  /** In bytes. */
  readonly size: number
  /** One, or those of a universal binary in the order of its header. */
  readonly images: readonly ImageFacts[]
}

export interface ImageFacts extends FormatFacts {
  readonly file_type: FileType
  readonly architecture: Architecture
  /** In bytes: of the file, or of its slice of a universal one. */
  readonly size: number
  /** Every symbol that begins with `MEMFLOW_`: what memflow's loader looks up, today's and that of 0.1. */
  readonly exports: readonly string[]
  readonly lineage: Lineage
  /** What could not be read, in words; the facts that it would have told are absent or unknown. */
  readonly problems: readonly string[]
}

/** What each format says in its own way. */
export interface FormatFacts {
  /** Without these it is not loaded. Absent where they could not be read. */
  readonly libraries?: readonly string[]
  /** Loaded when first used, or if they are there: delay imports, weak and lazy dylibs. */
  readonly optional_libraries?: readonly string[]
  readonly libc: Libc
  /** Absent where the file does not say it. */
  readonly minimum_os?: { readonly name: string; readonly version: string }
  /** What compilers and linkers wrote about themselves. */
  readonly toolchain: readonly string[]
  /** Whether the symbols of debuggers are gone; absent where that is not known. */
  readonly stripped?: boolean
  /** Only of ELF: whether the section header table is there, which `strip` leaves and `sstrip` removes. */
  readonly section_headers?: boolean
  readonly hardening: Readonly<Record<string, boolean | string>>
  readonly build_id?: { readonly kind: 'gnu' | 'pdb' | 'uuid'; readonly id: string }
}

export type LibcFamily = 'glibc' | 'musl' | 'bionic' | 'libSystem' | 'msvcrt' | 'ucrt' | 'none' | 'unknown'

export interface Libc {
  readonly family: LibcFamily
  /** The oldest version that has all that is needed; absent where the file does not say it. */
  readonly floor?: string
  /** The same, for each library of it. */
  readonly floors?: Readonly<Record<string, string>>
}

/**
 * The facts in a binary, bounded and in one pass over its bytes. A broken table costs the facts that are in it.
 * Throws `PluginError` and `OutOfBounds` as `openImages`, for a file that is no binary at all.
 */
export function factsOf(file: Uint8Array): BinaryFacts {
  return { size: file.byteLength, images: openImages(file).map(imageFacts) }
}

const READERS: Readonly<Record<FileType, (bytes: Bytes, attempts: Attempts) => FormatFacts>> = {
  elf: elfFacts,
  pe: peFacts,
  mach: machoFacts,
}

function imageFacts(image: Image): ImageFacts {
  const attempts = new Attempts()
  const exports = attempts.make(() => memflowExports(image)) ?? []
  const lineage = lineageOf(image, exports, attempts)
  return {
    file_type: image.fileType,
    architecture: image.architecture,
    size: image.bytes.size,
    exports: [...new Set(exports.map(({ name }) => name).filter(name => SYMBOL.test(name)))],
    ...READERS[image.fileType](image.bytes, attempts),
    lineage,
    problems: attempts.problems,
  }
}
