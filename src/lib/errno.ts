/** The code of a system error, such as `ENOENT`. */
export function errno(error: unknown): string | undefined {
  const code = error instanceof Error && 'code' in error ? error.code : undefined
  return typeof code === 'string' ? code : undefined
}

/** The words of strerror(3): LevelDB reports errors of the system by them alone. Node.js names a code when a thread fails to start. */
const WORDS: readonly (readonly [words: RegExp, code: string])[] = [
  [/no space left on device/i, 'ENOSPC'],
  [/disk quota exceeded/i, 'EDQUOT'],
  [/^worker initialization failure: EMFILE$/i, 'EMFILE'],
  [/^worker initialization failure: ENFILE$/i, 'ENFILE'],
  [/too many open files in system/i, 'ENFILE'],
  [/too many open files/i, 'EMFILE'],
  [/read-only file system/i, 'EROFS'],
  [/input\/output error/i, 'EIO'],
  [/operation not permitted/i, 'EPERM'],
  [/permission denied/i, 'EACCES'],
]

/** The code of the system error that the error is, or was caused by; also of one that is only told in words. */
export function systemCode(error: unknown): string | undefined {
  for (let at = error; at instanceof Error; at = at.cause) {
    const code = errno(at)
    if (code && /^E[A-Z0-9]+$/.test(code)) return code
    const { message } = at
    const known = WORDS.find(([words]) => words.test(message))
    if (known) return known[1]
  }
  return undefined
}

/** Whether a file could not be opened because the process, or the system, has as many open as it may. */
export function isOutOfDescriptors(error: unknown): boolean {
  const code = systemCode(error)
  return code === 'EMFILE' || code === 'ENFILE'
}

/** Whether there was no space left for a write, on the disk or in its quota. */
export function isOutOfSpace(error: unknown): boolean {
  const code = systemCode(error)
  return code === 'ENOSPC' || code === 'EDQUOT'
}

/** The outcome, or undefined where the path does not exist. */
export async function orAbsent<T>(work: Promise<T>): Promise<T | undefined> {
  try {
    return await work
  } catch (error) {
    if (errno(error) === 'ENOENT') return undefined
    throw error
  }
}
