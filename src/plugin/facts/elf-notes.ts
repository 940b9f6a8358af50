import type { Bytes } from '../../lib/bytes.ts'
import type { ProgramHeader } from '../elf-headers.ts'

/** System V gABI, "Note Section": who defines it, what it is, and its content. */
export interface Note {
  readonly name: string
  readonly type: number
  readonly content: Bytes
}

// A build-id has 36 bytes; Go and systemd write some hundreds.
const MAX_SIZE = 64 * 1024
const MAX_NAME = 64
const MAX_NOTES = 64

/** The notes in a segment of type PT_NOTE. */
export function readNotes(file: Bytes, { offset, size, align }: ProgramHeader): Note[] {
  const table = file.slice(offset, Math.min(size, MAX_SIZE), 'the notes')
  const unit = align === 8 ? 8 : 4
  const padded = (at: number) => Math.ceil(at / unit) * unit
  const notes: Note[] = []
  for (let at = 0; at + 12 <= table.size && notes.length < MAX_NOTES; ) {
    const [nameSize, contentSize, type] = [table.u32(at), table.u32(at + 4), table.u32(at + 8)]
    const contentAt = padded(at + 12 + nameSize)
    notes.push({
      name: table
        .slice(at + 12, nameSize, 'the name of a note')
        .latin1(0, MAX_NAME)
        .replace(/\0.*$/s, ''),
      type,
      content: table.slice(contentAt, contentSize, 'a note'),
    })
    at = padded(contentAt + contentSize)
  }
  return notes
}
