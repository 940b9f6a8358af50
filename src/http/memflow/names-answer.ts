import { setImmediate } from 'node:timers/promises'
import type { Origin, ReadList } from '../../core/plugin-reads.ts'
import type { MayBeStale } from '../../core/reads.ts'
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
  readonly #read: () => Promise<ReadList<Named>>
  readonly #watch: () => () => boolean
  #kept: { readonly unchanged: () => boolean; readonly answer: Promise<NamesAnswer> } | undefined

  /** `watch` returns what says whether the names are as they were when it was called. */
  constructor(read: () => Promise<ReadList<Named>>, watch: () => () => boolean) {
    this.#read = read
    this.#watch = watch
  }

  /** Requests share an answer that is being made, unless the names have changed since it was begun. */
  async get(): Promise<NamesAnswer> {
    if (this.#kept?.unchanged()) return await this.#kept.answer
    const unchanged = this.#watch()
    const kept = { unchanged, answer: this.#make(unchanged) }
    this.#kept = kept
    const forget = () => {
      if (this.#kept === kept) this.#kept = undefined
    }
    try {
      const answer = await kept.answer
      if (!answer.here) forget()
      return answer
    } catch (error) {
      forget()
      throw error
    }
  }

  async #make(unchanged: () => boolean): Promise<NamesAnswer> {
    const { items, ...origin } = await this.#read()
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
