import { crc32 } from 'node:zlib'

/** One row's change: its encoded key and its value, null where the row goes. */
export type JournalEntry = readonly [key: string, value: string | null]

/** The changes of one commit. */
export interface JournalLine {
  /** Of the commit: one more than the one before, over all segments. */
  readonly number: number
  readonly entries: readonly JournalEntry[]
}

/** A checksum, the number and the changes as JSON, with spaces between them. */
export function encodeLine({ number, entries }: JournalLine): string {
  const text = `${number} ${JSON.stringify(entries)}`
  return `${checksum(text)} ${text}\n`
}

/** Undefined for a line that is torn or damaged. */
export function decodeLine(line: string): JournalLine | undefined {
  const text = line.slice(9)
  if (line[8] !== ' ' || line.slice(0, 8) !== checksum(text)) return undefined
  const space = text.indexOf(' ')
  return {
    number: Number(text.slice(0, space)),
    entries: JSON.parse(text.slice(space + 1)) as JournalEntry[],
  }
}

function checksum(text: string): string {
  return crc32(text).toString(16).padStart(8, '0')
}
