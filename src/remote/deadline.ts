/** The outcome of the work, or the error after so many milliseconds; the work's signal is aborted by it then. */
export async function within<T>(
  time: number,
  late: () => Error,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const ending = new AbortController()
  let timer: NodeJS.Timeout | undefined
  const expired = new Promise<never>((_, reject) => {
    timer = setTimeout(() => {
      const error = late()
      ending.abort(error)
      reject(error)
    }, time)
  })
  try {
    return await Promise.race([work(ending.signal), expired])
  } finally {
    clearTimeout(timer)
  }
}
