import { basename, join } from 'node:path'
import { orAbsent } from '../lib/errno.ts'
import { fileStream } from '../lib/file-stream.ts'
import { lines } from '../lib/lines.ts'
import type { DurableDisk } from '../store/durable.ts'
import { decodeLine, type JournalLine } from './journal-line.ts'

export type Kind = 'log' | 'snapshot'

/** Changes that the journal should have, and has not. */
export interface Hole {
  /** The file, and the byte where they should be. */
  readonly file: string
  readonly byte: number
  /** Numbers of the first and the last of these changes. */
  readonly first: number
  readonly last: number
}

/**
 * The files of a journal. Each is named after the last change that it does not have: a segment has those that follow,
 * a snapshot the rows as they were then. So each line has its place, and one that is missing is missed.
 */
export class JournalFiles {
  readonly #folder: string
  readonly #disk: DurableDisk

  constructor(folder: string, disk: DurableDisk) {
    this.#folder = folder
    this.#disk = disk
  }

  /** What files of that kind there are, by number. */
  async numbers(kind: Kind): Promise<number[]> {
    const names = await this.#disk.fs.readdir(this.#folder)
    const own = names.flatMap(name => (name.endsWith(`.${kind}`) ? [Number.parseInt(name, 10)] : []))
    return own.filter(Number.isInteger).sort((a, b) => a - b)
  }

  /** Whether anything was ever written. */
  async any(): Promise<boolean> {
    return (await this.numbers('log')).length > 0
  }

  path(kind: Kind, number: number): string {
    return join(this.#folder, `${number.toString().padStart(12, '0')}.${kind}`)
  }

  /**
   * Every line from the newest snapshot on, and where lines are missing, what is missing. What a crash has torn off
   * the end of the newest segment was told to nobody, and is no hole.
   */
  async *read(): AsyncIterable<JournalLine | Hole> {
    const [base = 0] = (await this.numbers('snapshot')).slice(-1)
    let last: End = { number: base, path: this.path('log', base), byte: 0 }
    if (base > 0) yield* this.#snapshot(base)
    for (const number of await this.numbers('log')) {
      if (number < base) continue
      if (number > last.number) yield holeAt(last, last.number + 1, number)
      last = yield* this.segment(number)
    }
  }

  /** What is missing, for an index that has come to change `reached`, the last change, and which snapshot stands for the first ones. */
  async survey(reached: number): Promise<{ base: number; last: number; holes: Hole[] }> {
    const [base = 0] = (await this.numbers('snapshot')).slice(-1)
    const holes: Hole[] = []
    let last = base
    for await (const item of this.read()) {
      if (isHole(item)) holes.push(item)
      last = Math.max(last, isHole(item) ? item.last : item.number)
    }
    const [newest = base] = (await this.numbers('log')).slice(-1)
    if (last < reached) {
      const { size = 0 } = (await orAbsent(this.#disk.fs.stat(this.path('log', newest)))) ?? {}
      holes.push({ file: fileName(this.path('log', newest)), byte: size, first: last + 1, last: reached })
    }
    return { base, last: Math.max(last, reached), holes }
  }

  /** Every line of a segment, and what is missing between two of them; returns where they end. */
  async *segment(base: number): AsyncGenerator<JournalLine | Hole, End> {
    const path = this.path('log', base)
    let last = { number: base, path, byte: 0 }
    for await (const { line, end } of this.#lines(path)) {
      // A damaged line is told of by the next one that is whole.
      if (!line || line.number <= last.number) continue
      if (line.number > last.number + 1) yield holeAt(last, last.number + 1, line.number - 1)
      yield line
      last = { number: line.number, path, byte: end }
    }
    return last
  }

  /** A snapshot's lines all have its number; one without changes is the last. */
  async *#snapshot(base: number): AsyncIterable<JournalLine | Hole> {
    const path = this.path('snapshot', base)
    let whole = { number: base, path, byte: 0 }
    let ended = false
    let torn = false
    for await (const { line, end } of this.#lines(path)) {
      if (line && torn) yield holeAt(whole, 0, base)
      torn = !line
      if (!line) continue
      ended = line.entries.length === 0
      yield line
      whole = { ...whole, byte: end }
    }
    if (!ended) yield holeAt(whole, 0, base)
  }

  /** What ends with a line feed, decoded where it is whole, and where it ends. */
  async *#lines(path: string): AsyncIterable<{ line: JournalLine | undefined; end: number }> {
    const { size = 0 } = (await orAbsent(this.#disk.fs.stat(path))) ?? {}
    if (size === 0) return
    for await (const { text, end } of lines(fileStream(() => this.#disk.fs.open(path, 'r'), 0, size)))
      yield { line: decodeLine(text), end }
  }
}

/** Up to where a segment is whole. */
export interface End {
  /** Of the last change in it. */
  readonly number: number
  readonly path: string
  readonly byte: number
}

export function isHole(item: JournalLine | Hole): item is Hole {
  return 'byte' in item
}

function holeAt({ path, byte }: End, first: number, last: number): Hole {
  return { file: fileName(path), byte, first, last }
}

/** As it is told: below the storage folder. */
export function fileName(path: string): string {
  return `journal/${basename(path)}`
}
