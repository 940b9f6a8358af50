import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { orAbsent } from '../lib/errno.ts'
import { hasChecksum } from './level-checksum.ts'
import { Varints } from './level-varint.ts'

/** A log file of LevelDB is blocks of that size, a record in one of them or in parts over several (log_format.md). */
const BLOCK = 32_768
const HEADER = 7
const WHOLE = 1
const LAST = 4
/** Bytes behind each key in a table: the number of its change. */
const SEQUENCE = 8

export interface LevelFiles {
  /** The table files that LevelDB is made of now, by number. */
  readonly tables: ReadonlyMap<number, Table>
  /** Number of the oldest log whose rows are not all in tables. */
  readonly log: number
}

export interface Table {
  /** In bytes. */
  readonly size: number
  /** Its first key. */
  readonly first: string
}

/** What the MANIFEST in that folder of LevelDB says. Undefined if there is none, or none that can be understood. */
export async function levelFiles(folder: string): Promise<LevelFiles | undefined> {
  const edits = await manifest(folder)
  if (!edits) return undefined
  const files = { tables: new Map<number, Table>(), log: 0 }
  try {
    for (const edit of records(edits)) applyEdit(files, new Varints(edit))
    return files
  } catch (error) {
    if (error instanceof RangeError) return undefined
    throw error
  }
}

/** The file that CURRENT names. LevelDB may write a new one and remove that at any time. */
async function manifest(folder: string): Promise<Buffer | undefined> {
  let missed: string | undefined
  while (true) {
    const current = await orAbsent(readFile(join(folder, 'CURRENT'), 'latin1'))
    const [, name] = /^(MANIFEST-\d+)\n$/.exec(current ?? '') ?? []
    if (!name || name === missed) return undefined
    const edits = await orAbsent(readFile(join(folder, name)))
    if (edits) return edits
    missed = name
  }
}

/** Up to the first that is not whole: LevelDB refuses one in the middle, and may be about to write the last. */
function* records(file: Buffer): Iterable<Buffer> {
  let parts: Buffer[] = []
  for (let at = 0; at + HEADER <= file.length; ) {
    const left = BLOCK - (at % BLOCK)
    if (left < HEADER) {
      at += left
      continue
    }
    const end = at + HEADER + file.readUInt16LE(at + 4)
    const kind = file[at + 6]
    if (end > file.length || !hasChecksum(file.subarray(at + 6, end), file.readUInt32LE(at))) return
    parts.push(file.subarray(at + HEADER, end))
    at = end
    if (kind !== WHOLE && kind !== LAST) continue
    yield Buffer.concat(parts)
    parts = []
  }
}

/** VersionEdit::DecodeFrom of LevelDB's version_edit.cc, as far as it is about table files and the log. */
function applyEdit(files: { tables: Map<number, Table>; log: number }, edit: Varints): void {
  const pass = () => edit.take(edit.number())
  while (!edit.done) {
    const tag = edit.number()
    if (tag === 1) pass()
    else if (tag === 2) files.log = edit.number()
    else if (tag === 3 || tag === 4 || tag === 9) edit.number()
    else if (tag === 5) {
      edit.number()
      pass()
    } else if (tag === 6) {
      edit.number()
      files.tables.delete(edit.number())
    } else if (tag === 7) {
      edit.number()
      const [number, size, first] = [edit.number(), edit.number(), pass()]
      files.tables.set(number, { size, first: first.subarray(0, -SEQUENCE).toString() })
      pass()
    } else throw new RangeError(`an edit of an unknown kind: ${tag}`)
  }
}
