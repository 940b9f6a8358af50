/**
 * Does jobs, so many at a time. Each may add others, which are done before those that wait already, so that what was
 * begun comes to its end soon. Resolves when none is left; rejects where one does, and begins no other.
 */
export function doJobs<Job>(
  jobs: readonly Job[],
  most: number,
  work: (job: Job, add: (job: Job) => void) => Promise<void>,
): Promise<void> {
  const waiting = jobs.toReversed()
  let running = 0
  return new Promise((resolve, reject) => {
    const fail = (error: unknown) => {
      waiting.length = 0
      reject(error)
    }
    const begin = () => {
      while (running < most && waiting.length > 0) {
        running++
        work(waiting.pop() as Job, job => waiting.push(job)).then(ended, fail)
      }
      if (running === 0) resolve()
    }
    const ended = () => {
      running--
      begin()
    }
    begin()
  })
}
