import { basename, join } from 'node:path'
import type { OpenFile } from '../lib/open-file.ts'
import { writeAll } from '../lib/write-all.ts'
import { storageError } from '../oci/storage-error.ts'
import type { DurableDisk } from '../store/durable.ts'
import { indexDamaged, JournalDamaged } from './damage.ts'
import { type End, fileName, isHole, JournalFiles } from './journal-files.ts'
import { encodeInTurns, encodeLine, type JournalEntry, type JournalLine } from './journal-line.ts'

/** In bytes. */
export interface JournalLimits {
  /** A segment of this size is full: it bounds what a start reads again. */
  readonly segment: number
  /** Less than this in segments is not worth a snapshot. */
  readonly snapshot: number
}

/** Bytes that are written to see whether a change could be. */
const PROBE = 16 * 1024

const LIMITS: JournalLimits = { segment: 8 * 1024 * 1024, snapshot: 64 * 1024 * 1024 }

/**
 * The changes of the index in their order, synced before anybody is told that they are made.
 *
 * LevelDB is written without a sync, so that a change costs one. After a crash it is given the newest segment again;
 * a new one is begun only when LevelDB has all the older ones on disk. A snapshot, the rows that nothing else tells,
 * stands for all segments before it: with what is here LevelDB can be made anew.
 */
export class Journal {
  readonly files: JournalFiles
  readonly #folder: string
  readonly #disk: DurableDisk
  readonly #limits: JournalLimits
  /** Of the newest segment: the last change before it. */
  #base = 0
  #last = 0
  #file: OpenFile | undefined
  /** Bytes of its whole lines. */
  #size = 0
  /** There may be more behind them, of a line that failed. */
  #torn = false

  private constructor(folder: string, disk: DurableDisk, limits: JournalLimits) {
    this.files = new JournalFiles(folder, disk)
    this.#folder = folder
    this.#disk = disk
    this.#limits = limits
  }

  /** The journal in that folder, made where missing. */
  static async in(folder: string, disk: DurableDisk, limits: JournalLimits = LIMITS): Promise<Journal> {
    await disk.makeFolder(folder)
    return new Journal(folder, disk, limits)
  }

  /** Whether the newest segment is full, and the next one should be begun. */
  get full(): boolean {
    return this.#size >= this.#limits.segment
  }

  /** Throws `READ_ONLY` once a sync has failed. */
  check(): void {
    this.#disk.assertWritable()
  }

  /**
   * Opens the newest segment and hands out its lines, which LevelDB may lack: it has come to change `reached`, at least
   * to the segment and never further than the journal. The torn end that a crash leaves is cut off.
   * Throws `JournalDamaged`, `INDEX_DAMAGED`; then nothing was handed out.
   */
  async open(reached: number, apply: (line: JournalLine) => Promise<void>): Promise<void> {
    const [newest] = (await this.files.numbers('log')).slice(-1)
    const base = newest ?? (await this.files.numbers('snapshot')).at(-1) ?? 0
    if (reached < base) throw lacking(reached, base)
    const end = await this.#whole(base, reached)
    this.#base = base
    await this.replay(reached, apply)
    this.#file = await (newest === undefined
      ? this.#disk.create(end.path)
      : this.#disk.fs.open(end.path, 'r+'))
    this.#last = end.number
    this.#size = end.byte
    this.#torn = true
    await this.#mend(this.#file)
  }

  /**
   * Adds the changes of one commit; durable when it resolves, with its number and its size in bytes.
   * Throws `STORAGE_FULL`, `READ_ONLY`; then nothing of them stays.
   */
  async append(entries: readonly JournalEntry[]): Promise<{ number: number; bytes: number }> {
    this.#disk.assertWritable()
    const file = this.#open()
    const number = this.#last + 1
    const line = await encodeInTurns({ number, entries })
    let end: number
    try {
      await this.#mend(file)
      this.#torn = true
      end = await writeAll(file, line, this.#size)
      await this.#disk.datasync(file)
      this.#torn = false
    } catch (error) {
      // Taken back at once, so that a kill leaves nothing of it; the next line, or the next segment, makes sure.
      await file.truncate(this.#size).catch(() => {})
      throw storageError(error)
    }
    const bytes = end - this.#size
    this.#size = end
    this.#last = number
    return { number, bytes }
  }

  /** Hands out all lines of the newest segment again. Throws if a LevelDB that has come to `reached` lacks others. */
  async replay(reached: number, apply: (line: JournalLine) => Promise<void>): Promise<void> {
    if (reached < this.#base) throw lacking(reached, this.#base)
    for await (const line of this.files.segment(this.#base)) if (!isHole(line)) await apply(line)
  }

  /** Writes as much as a small change, and takes it back. Throws as `append` would. Not while that is under way. */
  async probe(): Promise<void> {
    this.#disk.assertWritable()
    const file = this.#open()
    try {
      await this.#mend(file)
      this.#torn = true
      // Without a line feed: the torn end of a line if the process ends here.
      await writeAll(file, [Buffer.alloc(PROBE)], this.#size)
      await this.#disk.datasync(file)
      await this.#mend(file)
    } catch (error) {
      await file.truncate(this.#size).catch(() => {})
      throw storageError(error)
    }
  }

  /** Begins the next segment, and answers its number. All that the older ones say must be on disk in LevelDB. */
  async begin(): Promise<number> {
    if (this.#file && this.#last === this.#base) return this.#base
    if (this.#file) await this.#mend(this.#file)
    const file = await this.#disk.create(this.files.path('log', this.#last))
    await this.close()
    this.#file = file
    this.#base = this.#last
    this.#size = 0
    return this.#base
  }

  async close(): Promise<void> {
    const file = this.#file
    this.#file = undefined
    // What could be lost was lost at a sync.
    await file?.close().catch(() => {})
  }

  /** Writes a snapshot of what was true when segment `number` began, and removes what it stands for, or moves it to a folder. */
  async snapshot(
    number: number,
    rows: AsyncIterable<readonly JournalEntry[]>,
    attic?: string,
  ): Promise<void> {
    const temporary = join(this.#folder, 'snapshot.new')
    const file = await this.#disk.fs.open(temporary, 'w')
    try {
      let end = 0
      for await (const entries of rows)
        end = await writeAll(file, [Buffer.from(encodeLine({ number, entries }))], end)
      await writeAll(file, [Buffer.from(encodeLine({ number, entries: [] }))], end)
      await this.#disk.publish(file, temporary, this.files.path('snapshot', number))
    } finally {
      await file.close()
    }
    for (const kind of ['log', 'snapshot'] as const) {
      for (const other of await this.files.numbers(kind)) {
        const path = this.files.path(kind, other)
        if (other >= number) continue
        if (attic) await this.#disk.move(path, join(attic, basename(path)))
        else await this.#disk.remove(path)
      }
    }
  }

  /** Begins anew behind change `number`, with these rows, whatever can be read of what was before. */
  async restart(number: number, rows: AsyncIterable<readonly JournalEntry[]>, attic?: string): Promise<void> {
    // The segment first: a snapshot alone would be taken to stand for what is written after it.
    if (!(await this.files.numbers('log')).includes(number))
      await (await this.#disk.create(this.files.path('log', number))).close()
    await this.snapshot(number, rows, attic)
  }

  /** Whether the segments have become so many that a snapshot should stand for them. */
  async overgrown(): Promise<boolean> {
    const sum = async (kind: 'log' | 'snapshot') => {
      let bytes = 0
      for (const number of await this.files.numbers(kind))
        bytes += (await this.#disk.fs.stat(this.files.path(kind, number))).size
      return bytes
    }
    return (await sum('log')) >= Math.max(this.#limits.snapshot, 2 * (await sum('snapshot')))
  }

  /** Takes back for good what a line that failed has left. */
  async #mend(file: OpenFile): Promise<void> {
    if (!this.#torn) return
    await file.truncate(this.#size)
    await this.#disk.datasync(file)
    this.#torn = false
  }

  #open(): OpenFile {
    if (this.#file) return this.#file
    throw new Error('the journal is closed')
  }

  /** Where the segment ends, which has all changes up to `reached`, and all behind it. */
  async #whole(base: number, reached: number): Promise<End> {
    const lines = this.files.segment(base)
    let step = await lines.next()
    for (; !step.done; step = await lines.next())
      if (isHole(step.value)) throw new JournalDamaged(step.value, reached)
    const { number, path, byte } = step.value
    if (number >= reached) return step.value
    throw new JournalDamaged({ file: fileName(path), byte, first: number + 1, last: reached }, reached)
  }
}

function lacking(reached: number, base: number): Error {
  return indexDamaged(`the index, which lacks changes ${reached + 1} to ${base},`)
}
