/**
 * Milliseconds of the processor that the work takes, all threads of this process counted. Other processes do not add to
 * it, as they would to wall time.
 */
export function processorMs(work: () => unknown): number {
  const begun = process.cpuUsage()
  work()
  const { user, system } = process.cpuUsage(begun)
  return (user + system) / 1000
}

/**
 * The same of the cheapest of three runs. The first run within the budget ends it: a run beyond the budget may also have
 * collected garbage, or compiled, for something else.
 */
export function cheapestMs(work: () => unknown, budget: number): number {
  let cheapest = Number.POSITIVE_INFINITY
  for (let run = 0; run < 3 && cheapest >= budget; run++) cheapest = Math.min(cheapest, processorMs(work))
  return cheapest
}
