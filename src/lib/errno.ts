/** The code of a system error, such as `ENOENT`. */
export function errno(error: unknown): string | undefined {
  const code = error instanceof Error && 'code' in error ? error.code : undefined
  return typeof code === 'string' ? code : undefined
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
