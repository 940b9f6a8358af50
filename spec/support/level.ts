import type { AbstractBatchOperation } from 'abstract-level'
import type { Level } from 'level'

export type Database = Level<string, string | Uint8Array>

type Operations = AbstractBatchOperation<Database, string, string | Uint8Array>[]

/** A database whose work is counted and can be made to fail, for `new LevelIndex(watched(db).db)`. */
export function watched(database: Database): {
  readonly db: Database
  readonly counts: {
    /** Entries that iterators gave. */
    entries: number
    /** Iterators that are open. */
    open: number
    batches: number
    unsynced: number
  }
  /** Makes every batch fail, until it is undefined. */
  readonly fail: (error: Error | undefined) => void
  /** Runs once, before the next batch. */
  readonly before: (work: () => Promise<void> | void) => void
} {
  const counts = { entries: 0, open: 0, batches: 0, unsynced: 0 }
  let failure: Error | undefined
  let first: (() => Promise<void> | void) | undefined

  const members: Record<string, unknown> = {
    iterator: (options: Parameters<Database['iterator']>[0]) => {
      counts.open++
      const iterator = database.iterator(options)
      return overlay(iterator, {
        nextv: async (size: number) => counted(await iterator.nextv(size)),
        all: async () => {
          counts.open--
          return counted(await iterator.all())
        },
        close: () => {
          counts.open--
          return iterator.close()
        },
      })
    },
    batch: async (operations: Operations, options: { sync?: boolean } = {}) => {
      counts.batches++
      if (!options.sync) counts.unsynced++
      if (failure) throw failure
      const work = first
      first = undefined
      await work?.()
      await database.batch(operations, options)
    },
  }

  function counted<T extends unknown[]>(entries: T): T {
    counts.entries += entries.length
    return entries
  }

  return {
    db: overlay(database, members),
    counts,
    fail: error => {
      failure = error
    },
    before: work => {
      first = work
    },
  }
}

/** The object with some members in place of its own. */
function overlay<T extends object>(target: T, members: Record<string, unknown>): T {
  return new Proxy(target, {
    get: (_, name) => {
      if (typeof name === 'string' && Object.hasOwn(members, name)) return members[name]
      const member: unknown = Reflect.get(target, name, target)
      return typeof member === 'function' ? member.bind(target) : member
    },
  })
}
