import { crc32 } from 'node:zlib'

/** One row's change: its encoded key and its value, null where the row goes. */
export type JournalEntry = readonly [key: string, value: string | null]

/** A checksum, a space, and the changes of one commit as JSON. */
export function encodeLine(entries: readonly JournalEntry[]): string {
  const json = JSON.stringify(entries)
  return `${checksum(json)} ${json}\n`
}

/** Undefined for a line that is torn or damaged. */
export function decodeLine(line: string): JournalEntry[] | undefined {
  const json = line.slice(9)
  return line[8] === ' ' && line.slice(0, 8) === checksum(json)
    ? (JSON.parse(json) as JournalEntry[])
    : undefined
}

function checksum(text: string): string {
  return crc32(text).toString(16).padStart(8, '0')
}
