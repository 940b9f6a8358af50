import { systemCode } from '../lib/errno.ts'
import { type ErrorName, RegistryError } from './errors.ts'

interface Meaning {
  readonly error: ErrorName
  readonly message: string
  readonly headers?: Record<string, string>
}

const BUSY: Meaning = {
  error: 'OUT_OF_DESCRIPTORS',
  message: 'the registry has too many files and connections open; try again in a moment',
  headers: { 'Retry-After': '1' },
}

const FULL = 'the storage of this registry is full'

/** What an error of the system means to clients whose request needed the storage. */
const MEANINGS: Record<string, Meaning> = {
  ENOSPC: { error: 'STORAGE_FULL', message: `${FULL}; it takes content again when there is space` },
  EDQUOT: {
    error: 'STORAGE_FULL',
    message: `${FULL}: its disk quota is used up; it takes content again when there is space`,
  },
  EMFILE: BUSY,
  ENFILE: BUSY,
  EROFS: unwritable('EROFS', 'its file system is read-only'),
  EPERM: unwritable('EPERM', 'the registry may not write to it'),
  EACCES: unwritable('EACCES', 'the registry may not write to it'),
  EIO: unwritable('EIO', 'the disk reports an input/output error'),
}

/** The same for a write: `STORAGE_FULL`, `OUT_OF_DESCRIPTORS`, `READ_ONLY`; what is no error of the system stays as it is. */
export function storageError(error: unknown): unknown {
  if (error instanceof RegistryError) return error
  const meaning = MEANINGS[systemCode(error) ?? '']
  if (!meaning) return error
  return new RegistryError(meaning.error, { ...meaning, cause: error })
}

function unwritable(code: string, reason: string): Meaning {
  return {
    error: 'READ_ONLY',
    message: `the storage failed (${code}): ${reason}; the registry takes writes again when it can`,
  }
}
