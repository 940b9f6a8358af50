import type { FileHandle } from 'node:fs/promises'
import { join } from 'node:path'
import { fileStream } from '../lib/file-stream.ts'
import { lines } from '../lib/lines.ts'
import { writeAll } from '../lib/write-all.ts'
import { type DurableDisk, writeError } from '../store/durable.ts'
import { decodeLine, encodeLine, type JournalEntry } from './journal-line.ts'

/** A segment is full at this size in bytes: it bounds what a start reads again. */
const SEGMENT_BYTES = 8 * 1024 * 1024

type Apply = (entries: readonly JournalEntry[]) => Promise<void>

/** A file of the journal has a line that cannot be read, and others behind it. */
export class JournalDamaged extends Error {
  override readonly name = 'JournalDamaged'
}

/**
 * The changes of the index in their order, synced before anybody is told that they are made.
 *
 * LevelDB is written without a sync, so that a change costs one. After a crash it is given the newest segment again;
 * a new one is begun only when LevelDB has all the older ones on disk. A snapshot, the rows that nothing else tells,
 * stands for all segments of lower numbers: with what is here LevelDB can be made anew.
 */
export class Journal {
  readonly #folder: string
  readonly #disk: DurableDisk
  /** Of the newest segment. */
  #number = 0
  #file: FileHandle | undefined
  /** Bytes of its whole lines. */
  #size = 0

  private constructor(folder: string, disk: DurableDisk) {
    this.#folder = folder
    this.#disk = disk
  }

  /** The journal in that folder, made where missing. */
  static async in(folder: string, disk: DurableDisk): Promise<Journal> {
    await disk.makeFolder(folder)
    return new Journal(folder, disk)
  }

  /** Whether the newest segment is full, and the next one should be begun. */
  get full(): boolean {
    return this.#size >= SEGMENT_BYTES
  }

  /** Throws `READ_ONLY` once a sync has failed. */
  check(): void {
    this.#disk.assertWritable()
  }

  /** Whether anything was ever written. */
  async exists(): Promise<boolean> {
    return (await this.#numbers('log')).length > 0
  }

  /** Opens the newest segment and hands out its lines, which LevelDB may lack. The torn end that a crash leaves is cut off. */
  async open(apply: Apply): Promise<void> {
    const newest = (await this.#numbers('log')).at(-1)
    if (newest === undefined) {
      await this.begin()
      return
    }
    const size = await this.#read('log', newest, apply)
    this.#file = await this.#disk.fs.open(this.#path('log', newest), 'r+')
    this.#number = newest
    this.#size = size
    await this.#file.truncate(size)
  }

  /** Adds the changes of one commit; durable when it resolves. Throws `STORAGE_FULL`, `READ_ONLY`; then nothing of them stays. */
  async append(entries: readonly JournalEntry[]): Promise<void> {
    this.#disk.assertWritable()
    const file = this.#open()
    const line = Buffer.from(encodeLine(entries))
    try {
      await writeAll(file, [line], this.#size)
    } catch (error) {
      // Should half a line stay for good, the next one overwrites it, and a reader stops before it.
      await file.truncate(this.#size).catch(() => {})
      throw writeError(error)
    }
    await this.#disk.datasync(file)
    this.#size += line.length
  }

  /** Begins the next segment. All that the older ones say must be on disk in LevelDB. */
  async begin(): Promise<number> {
    if (this.#file && this.#size === 0) return this.#number
    const file = await this.#disk.create(this.#path('log', this.#number + 1))
    await this.#file?.close()
    this.#file = file
    this.#number += 1
    this.#size = 0
    return this.#number
  }

  async close(): Promise<void> {
    await this.#file?.close()
    this.#file = undefined
  }

  /** All changes since the newest snapshot, its rows first. Throws `JournalDamaged`. */
  async replay(apply: Apply): Promise<void> {
    const [snapshot = 0] = (await this.#numbers('snapshot')).slice(-1)
    if (snapshot > 0) await this.#whole('snapshot', snapshot, apply)
    const segments = (await this.#numbers('log')).filter(number => number >= snapshot)
    for (const number of segments.slice(0, -1)) await this.#whole('log', number, apply)
    for (const number of segments.slice(-1)) await this.#read('log', number, apply)
  }

  /** Writes a snapshot of what was true when segment `number` began, and removes what it stands for. */
  async snapshot(number: number, rows: AsyncIterable<readonly JournalEntry[]>): Promise<void> {
    const temporary = join(this.#folder, 'snapshot.new')
    const file = await this.#disk.fs.open(temporary, 'w')
    try {
      let end = 0
      for await (const entries of rows) end = await writeAll(file, [Buffer.from(encodeLine(entries))], end)
      await this.#disk.publish(file, temporary, this.#path('snapshot', number))
    } finally {
      await file.close()
    }
    for (const kind of ['log', 'snapshot'] as const) {
      const older = (await this.#numbers(kind)).filter(other => other < number)
      for (const other of older) await this.#disk.remove(this.#path(kind, other))
    }
  }

  /** Bytes of the segments that no snapshot stands for, and of the snapshot. */
  async sizes(): Promise<{ segments: number; snapshot: number }> {
    const sum = async (kind: 'log' | 'snapshot') => {
      let bytes = 0
      for (const number of await this.#numbers(kind))
        bytes += (await this.#disk.fs.stat(this.#path(kind, number))).size
      return bytes
    }
    return { segments: await sum('log'), snapshot: await sum('snapshot') }
  }

  #open(): FileHandle {
    if (this.#file) return this.#file
    throw new Error('the journal is closed')
  }

  /** Hands out the lines up to the first that is not whole, and answers where they end. */
  async #read(kind: 'log' | 'snapshot', number: number, apply: Apply): Promise<number> {
    const path = this.#path(kind, number)
    const { size } = await this.#disk.fs.stat(path)
    let whole = 0
    if (size === 0) return whole
    let torn = false
    for await (const { text, end } of lines(fileStream(() => this.#disk.fs.open(path, 'r'), 0, size))) {
      const entries = decodeLine(text)
      // A crash can tear the last line only: whole ones behind it mean that the medium has lost this one.
      if (entries && torn) throw new JournalDamaged(`${path} is damaged at byte ${whole}`)
      torn ||= !entries
      if (!entries) continue
      await apply(entries)
      whole = end
    }
    return whole
  }

  /** The same where nothing may be missing. */
  async #whole(kind: 'log' | 'snapshot', number: number, apply: Apply): Promise<void> {
    const path = this.#path(kind, number)
    const end = await this.#read(kind, number, apply)
    const { size } = await this.#disk.fs.stat(path)
    if (end < size) throw new JournalDamaged(`${path} is damaged at byte ${end}`)
  }

  async #numbers(kind: 'log' | 'snapshot'): Promise<number[]> {
    const names = await this.#disk.fs.readdir(this.#folder)
    const own = names.flatMap(name => (name.endsWith(`.${kind}`) ? [Number.parseInt(name, 10)] : []))
    return own.filter(Number.isInteger).sort((a, b) => a - b)
  }

  #path(kind: 'log' | 'snapshot', number: number): string {
    return join(this.#folder, `${number.toString().padStart(8, '0')}.${kind}`)
  }
}
