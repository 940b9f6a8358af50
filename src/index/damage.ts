import { RegistryError } from '../oci/errors.ts'
import type { Hole } from './journal-files.ts'

/** `INDEX_DAMAGED`: what is read there is not what was written. */
export function indexDamaged(what: string, cause?: unknown): RegistryError {
  return new RegistryError('INDEX_DAMAGED', {
    message: `${what} is damaged; stop the registry and make the index anew: memflow-registry reindex --from-journal`,
    cause,
  })
}

/** The journal lacks changes that were acknowledged; the index has them where it has `reached` the last of them. */
export class JournalDamaged extends Error {
  override readonly name = 'JournalDamaged'

  constructor(hole: Hole, reached: number) {
    super(
      hole.last <= reached
        ? `${describeHole(hole)}, which the index has; make the journal anew: memflow-registry reindex`
        : `${describeHole(hole)}; make index and journal anew of what can be read: memflow-registry reindex --salvage`,
    )
  }
}

/** There is no journal to make an index of. */
export class JournalMissing extends Error {
  override readonly name = 'JournalMissing'

  constructor(hasIndex: boolean) {
    super(
      hasIndex
        ? 'the journal is missing; make it and the index anew of what can be read: memflow-registry reindex --salvage'
        : 'index and journal are missing; restore a backup, or begin with an empty index: memflow-registry reindex',
    )
  }
}

/** What is wrong there, in words. */
export function describeHole({ file, byte, first, last }: Hole): string {
  const lacks = first === 0 ? 'rows' : first === last ? `change ${first}` : `changes ${first} to ${last}`
  return `${file} is damaged at byte ${byte}: it lacks ${lacks}`
}
