import { join } from 'node:path'
import { type Image, keyOf } from '../../spec/support/medium.ts'
import { RecordingFs } from '../../spec/support/recording-fs.ts'
import { Ledger } from './ledger.ts'
import { copyLevel, type LevelCopy } from './level-copy.ts'

/** A moment behind an operation, at which the power may fail. */
export interface Moment {
  /** The operation. */
  readonly call: string
  /** How many changes of the index were made, and how many begun. */
  readonly made: number
  readonly begun: number
  /** What may be left of the storage but for LevelDB, each once, and a model of the loss that leaves it. */
  readonly left: readonly { readonly key: string; readonly model: string; readonly image: Image }[]
  /** LevelDB's files as they are, and as they were when LevelDB had last synced them. */
  readonly level: { readonly now: LevelCopy | undefined; readonly synced: LevelCopy | undefined }
}

/** A registry's life in a folder, moment by moment. */
export class Recording {
  readonly fs: RecordingFs['fs']
  readonly moments: Moment[] = []
  readonly ledger = new Ledger()
  readonly #index: string
  readonly #recording: RecordingFs
  #now: LevelCopy | undefined
  #synced: LevelCopy | undefined

  /** What the folder has already, which is synced, is that of the image. */
  constructor(root: string, image?: Image) {
    this.#index = join(root, 'index')
    this.#recording = new RecordingFs(root, (call, when) => this.#moment(call, when), image)
    this.fs = this.#recording.fs
  }

  /** What is in the folder now. */
  now(): Image {
    return this.#recording.medium.now()
  }

  async #moment(call: string, when: 'before' | 'behind'): Promise<void> {
    this.#now = await copyLevel(this.#index, this.#now)
    // A segment is begun when LevelDB has synced all that the others say.
    if (when === 'before' && /^rename journal.*log$/.test(call)) this.#synced = this.#now
    if (when === 'before') return
    const left = new Map<string, Moment['left'][number]>()
    for (const { model, image } of this.#recording.medium.survivors()) {
      const key = keyOf(image)
      if (!left.has(key)) left.set(key, { key, model, image })
    }
    this.moments.push({
      call,
      made: this.ledger.made,
      begun: this.ledger.changes.length,
      left: [...left.values()],
      level: { now: this.#now, synced: this.#synced },
    })
  }
}
