import { setImmediate } from 'node:timers/promises'
import type { Origin, ReadList } from '../../core/plugin-reads.ts'
import type { Caller, MayBeStale } from '../../core/reads.ts'
import type { Named } from '../../core/variants.ts'

/** The body of `GET /plugins`. */
export interface NamesAnswer extends Origin, MayBeStale {
  readonly body: Buffer
  /** Whether it would be the same if it was made again. */
  readonly unchanged: () => boolean
}

/** Names that are written as JSON in less than a millisecond. */
const STEP = 1000

/**
 * Makes the body of `GET /plugins`, which has all names and no pages. It is kept here, because the response cache keeps
 * one for each URL and the query means nothing: another query string must not cost the whole list again.
 */
export class NamesAnswers {
  readonly #read: (caller?: Caller) => Promise<ReadList<Named>>
  readonly #watch: () => () => boolean
  readonly #isLocal: boolean
  #kept: { readonly unchanged: () => boolean; readonly answer: Promise<NamesAnswer> } | undefined

  /**
   * `watch` returns what says whether the names are as they were when it was called. Only local answers are kept: what
   * upstreams list depends on them, and on how much the caller may ask of them.
   */
  constructor(
    read: (caller?: Caller) => Promise<ReadList<Named>>,
    watch: () => () => boolean,
    { isLocal }: { readonly isLocal: boolean },
  ) {
    this.#read = read
    this.#watch = watch
    this.#isLocal = isLocal
  }

  /** Requests share an answer that is being made, unless the names have changed since it was begun. */
  async get(caller?: Caller): Promise<NamesAnswer> {
    if (!this.#isLocal) return await this.#make(this.#watch(), caller)
    if (this.#kept?.unchanged()) return await this.#kept.answer
    const unchanged = this.#watch()
    const kept = { unchanged, answer: this.#make(unchanged) }
    this.#kept = kept
    try {
      return await kept.answer
    } catch (error) {
      if (this.#kept === kept) this.#kept = undefined
      throw error
    }
  }

  async #make(unchanged: () => boolean, caller?: Caller): Promise<NamesAnswer> {
    const { items, ...origin } = await this.#read(caller)
    const parts = [Buffer.from('{"plugins":[')]
    for (let at = 0; at < items.length; at += STEP) {
      if (at > 0) await setImmediate()
      const step = JSON.stringify(items.slice(at, at + STEP)).slice(1, -1)
      parts.push(Buffer.from(at > 0 ? `,${step}` : step))
    }
    parts.push(Buffer.from(']}'))
    return { ...origin, body: Buffer.concat(parts), unchanged }
  }
}
