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

/** The table files that the LevelDB in that folder is made of now: their numbers and sizes in bytes. Undefined where nothing tells. */
export async function liveTables(folder: string): Promise<Map<number, number> | undefined> {
  const current = await orAbsent(readFile(join(folder, 'CURRENT'), 'latin1'))
  const [, name] = /^(MANIFEST-\d+)\n$/.exec(current ?? '') ?? []
  const edits = name && (await orAbsent(readFile(join(folder, name))))
  if (!edits) return undefined
  const live = new Map<number, number>()
  try {
    for (const edit of records(edits)) applyEdit(live, new Varints(edit))
    return live
  } catch (error) {
    if (error instanceof RangeError) return undefined
    throw error
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

/** VersionEdit::DecodeFrom of LevelDB's version_edit.cc, as far as it is about table files. */
function applyEdit(live: Map<number, number>, edit: Varints): void {
  const pass = () => edit.take(edit.number())
  while (!edit.done) {
    const tag = edit.number()
    if (tag === 1) pass()
    else if (tag === 2 || tag === 3 || tag === 4 || tag === 9) edit.number()
    else if (tag === 5) {
      edit.number()
      pass()
    } else if (tag === 6) {
      edit.number()
      live.delete(edit.number())
    } else if (tag === 7) {
      edit.number()
      live.set(edit.number(), edit.number())
      pass()
      pass()
    } else throw new RangeError(`an edit of an unknown kind: ${tag}`)
  }
}
