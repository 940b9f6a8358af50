import type { Stats } from 'node:fs'
import { orAbsent } from '../lib/errno.ts'
import type { OpenFile } from '../lib/open-file.ts'
import { algorithmOf, type Digest, Hasher } from '../oci/digest.ts'
import { RegistryError } from '../oci/errors.ts'
import type { DurableDisk } from './durable.ts'
import type { Layout } from './layout.ts'
import { Verified, versionOf } from './verified.ts'
import { VerifiedFile } from './verified-file.ts'

/** A blob whose bytes are not those that its digest tells. */
export interface Damage {
  readonly digest: Digest
  /** Of the damaged file, in bytes. */
  readonly size: number
  /** How many there were since the start. */
  readonly count: number
  /** Where the file is now; undefined where it could not or should not be moved, or is replaced already. */
  readonly quarantined: string | undefined
  /** Why it could not be moved. */
  readonly failure: unknown
}

interface InspectorOptions {
  /** For how long a blob is good that was found right, in milliseconds. */
  readonly every: number
  /** Whether damaged files are moved. */
  readonly quarantine: boolean
  readonly report: (damage: Damage) => void
}

const CHUNK = 1024 * 1024

/**
 * Finds blob files that have rotted, and takes them out of service: a damaged file moves to `quarantine/`,
 * durably, so that the blob is missing as one that never came, and clients push it again.
 */
export class Inspector {
  readonly #disk: DurableDisk
  readonly #layout: Layout
  readonly #verified: Verified
  readonly #file: VerifiedFile
  readonly #report: (damage: Damage) => void
  readonly #quarantines: boolean
  #count = 0
  /** Whole reads under way, so that all who ask for a file wait for one. */
  readonly #going = new Map<string, Promise<boolean>>()

  constructor(disk: DurableDisk, layout: Layout, { every, quarantine, report }: InspectorOptions) {
    this.#disk = disk
    this.#file = new VerifiedFile(disk.fs, layout.verified)
    this.#layout = layout
    this.#verified = new Verified(every)
    this.#quarantines = quarantine
    this.#report = report
  }

  /** Takes over what an earlier process has found right. */
  async recall(): Promise<void> {
    this.#verified.recall(await this.#file.read())
  }

  /** Lets a later process take it over. */
  async remember(): Promise<void> {
    const blobs = this.#verified.remembered()
    if (blobs) await this.#file.write(blobs)
  }

  /** Whether the file was found right not long ago, and is the same. */
  knows(digest: Digest, stats: Stats): boolean {
    return this.#verified.has(digest, stats)
  }

  /** Reads the file whole, unless these are its bytes, now or with whoever is at it. False where it is damaged. */
  verify(digest: Digest, file: OpenFile | Uint8Array, stats: Stats): Promise<boolean> {
    const key = `${digest} ${versionOf(stats)}`
    const going =
      this.#going.get(key) ?? this.#judge(digest, file, stats).finally(() => this.#going.delete(key))
    this.#going.set(key, going)
    return going
  }

  /** Reads the file whole, whatever is known of it; `pace` is told of every part. False where it is damaged. */
  async read(
    digest: Digest,
    file: OpenFile,
    stats: Stats,
    pace: (bytes: number) => Promise<void> = async () => {},
  ): Promise<boolean> {
    const hasher = new Hasher(algorithmOf(digest))
    const buffer = Buffer.allocUnsafeSlow(Math.min(CHUNK, stats.size))
    for (let position = 0; position < stats.size; ) {
      const { bytesRead } = await file.read(buffer, 0, buffer.length, position)
      if (bytesRead === 0) break
      hasher.update(buffer.subarray(0, bytesRead))
      position += bytesRead
      await pace(bytesRead)
    }
    return this.#conclude(digest, stats, hasher)
  }

  /**
   * For a stream of the whole file: hashes each chunk on its way. Throws at the last one, which is then never sent,
   * where the file is damaged.
   */
  along(digest: Digest, stats: Stats): (chunk: Uint8Array, last: boolean) => Promise<void> {
    const hasher = new Hasher(algorithmOf(digest))
    return async (chunk, last) => {
      hasher.update(chunk)
      if (last && !(await this.#conclude(digest, stats, hasher))) throw damaged(digest)
    }
  }

  /** The blob was published from bytes that were hashed on their way in: it is known, and what was damaged of it may go. */
  async published(digest: Digest, file: OpenFile): Promise<Stats | undefined> {
    try {
      const stats = await file.stat()
      this.#verified.add(digest, stats)
      await orAbsent(this.#disk.fs.unlink(this.#layout.quarantined(digest)))
      return stats
    } catch {
      // The blob is durable, whatever becomes of this.
      return undefined
    }
  }

  #judge(digest: Digest, file: OpenFile | Uint8Array, stats: Stats): Promise<boolean> {
    if (!(file instanceof Uint8Array)) return this.read(digest, file, stats)
    return this.#conclude(digest, stats, new Hasher(algorithmOf(digest)).update(file))
  }

  async #conclude(digest: Digest, stats: Stats, hasher: Hasher): Promise<boolean> {
    if (hasher.digest() === digest) {
      this.#verified.add(digest, stats)
      return true
    }
    const count = ++this.#count
    let quarantined: string | undefined
    let failure: unknown
    try {
      if (this.#quarantines) quarantined = await this.#quarantine(digest, stats)
    } catch (error) {
      failure = error
    }
    this.#report({ digest, size: stats.size, count, quarantined, failure })
    return false
  }

  /** Answers where the file is then; undefined where the blob is another file by now. */
  async #quarantine(digest: Digest, { ino }: Stats): Promise<string | undefined> {
    const { fs } = this.#disk
    const [from, to] = [this.#layout.blob(digest), this.#layout.quarantined(digest)]
    this.#disk.assertWritable()
    if ((await orAbsent(fs.stat(from)))?.ino !== ino) return undefined
    await this.#disk.move(from, to)
    if ((await fs.stat(to)).ino === ino) return to
    // A push came in between: that file is right.
    await this.#disk.move(to, from)
    return undefined
  }
}

/** What whoever reads a damaged blob is told. */
export function damaged(digest: Digest): RegistryError {
  return new RegistryError('BLOB_UNKNOWN', {
    message: 'the blob was damaged on disk and is out of service; push it again',
    detail: { digest },
  })
}
