import { setImmediate } from 'node:timers/promises'
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

/** Characters of a line that are encoded at once, which takes about a millisecond. */
const STEP = 128 * 1024

/** The same bytes as those of `encodeLine`. Other work of the event loop is done while a long line is encoded. */
export async function encodeInTurns(line: JournalLine): Promise<Buffer[]> {
  const length = line.entries.reduce((sum, [key, value]) => sum + key.length + (value?.length ?? 0), 0)
  if (length <= STEP) return [Buffer.from(encodeLine(line))]
  const parts: Buffer[] = []
  let sum = 0
  for (const step of stepsOf(line)) {
    const part = Buffer.from(step)
    sum = crc32(part, sum)
    parts.push(part)
    await setImmediate()
  }
  return [Buffer.from(`${inDigits(sum)} `), ...parts, Buffer.from('\n')]
}

/** The text of a line, which is JSON but for the number, in steps. */
function* stepsOf({ number, entries }: JournalLine): Iterable<string> {
  let step = `${number} [`
  for (const part of partsOf(entries)) {
    step += part
    if (step.length < STEP) continue
    yield step
    step = ''
  }
  yield `${step}]`
}

/** The JSON of the entries, without the brackets around them, in parts that are not much longer than a step. */
function* partsOf(entries: readonly JournalEntry[]): Iterable<string> {
  for (const [i, [key, value]] of entries.entries()) {
    const start = `${i > 0 ? ',' : ''}[${JSON.stringify(key)},`
    if (value === null || value.length <= STEP) {
      yield `${start}${JSON.stringify(value)}]`
      continue
    }
    yield `${start}"`
    for (let at = 0, end = 0; at < value.length; at = end) {
      end = Math.min(value.length, at + STEP)
      // JSON of a part of a string is a part of the JSON of the string, unless it cuts a pair of surrogates.
      if (cutsPair(value, end)) end--
      yield JSON.stringify(value.slice(at, end)).slice(1, -1)
    }
    yield '"]'
  }
}

/** Whether there is a pair of surrogates around this place. */
function cutsPair(text: string, at: number): boolean {
  return /^[\ud800-\udbff][\udc00-\udfff]$/.test(text.slice(at - 1, at + 1))
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
  return inDigits(crc32(text))
}

function inDigits(sum: number): string {
  return sum.toString(16).padStart(8, '0')
}
