import { readFileSync } from 'node:fs'
import { examine } from '../../src/plugin/examine.ts'

/** A number that the parsers read. */
export interface Field {
  readonly at: number
  readonly width: 1 | 2 | 4 | 8
}

/** A file to make mutants of. */
export interface Sample {
  readonly path: string
  readonly bytes: Buffer
  /** Every number that its examination reads: headers, tables, relocations, whatever the format. */
  readonly fields: readonly Field[]
}

/** Reads the file and watches its examination. */
export function readSample(path: string): Sample {
  // A buffer of its own, so that an offset in its memory is an offset in the file.
  const bytes = Buffer.from(new Uint8Array(readFileSync(path)).buffer)
  const fields = watchReads(bytes.buffer, () => {
    try {
      examine(bytes)
    } catch {
      // Refused files are samples too.
    }
  })
  return { path, bytes, fields }
}

const READS = { getUint8: 1, getUint16: 2, getUint32: 4, getInt32: 4 } as const

/** Which numbers in this memory the work reads through any DataView. Two words in a row are noted as one of eight bytes as well. */
function watchReads(memory: ArrayBufferLike, work: () => void): Field[] {
  const found = new Map<string, Field>()
  const note = (at: number, width: Field['width']) => found.set(`${at}:${width}`, { at, width })
  const originals = new Map<keyof typeof READS, PropertyDescriptor | undefined>()
  for (const name of Object.keys(READS) as (keyof typeof READS)[]) {
    const original = DataView.prototype[name]
    originals.set(name, Object.getOwnPropertyDescriptor(DataView.prototype, name))
    Object.defineProperty(DataView.prototype, name, {
      configurable: true,
      writable: true,
      value(this: DataView, at: number, little?: boolean) {
        if (this.buffer === memory) note(this.byteOffset + at, READS[name])
        return original.call(this, at, little)
      },
    })
  }
  try {
    work()
  } finally {
    for (const [name, descriptor] of originals)
      if (descriptor) Object.defineProperty(DataView.prototype, name, descriptor)
  }
  for (const { at, width } of [...found.values()])
    if (width === 4 && found.has(`${at + 4}:4`) && at % 8 === 0) note(at, 8)
  return [...found.values()].sort((a, b) => a.at - b.at || a.width - b.width)
}
