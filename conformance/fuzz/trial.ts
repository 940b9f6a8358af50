import { getHeapStatistics } from 'node:v8'
import { PluginError } from '../../src/plugin/error.ts'
import { examine } from '../../src/plugin/examine.ts'

/** Milliseconds of the processor and bytes that any file may cost. */
export const BUDGET = { time: 100, memory: 64 * 2 ** 20, answer: 2 ** 20 }

export interface Outcome {
  /** `taken`, or the kind of the PluginError. */
  readonly kind: string
  /** Milliseconds of the processor; of several tries the fastest, where the first one took long. */
  readonly time: number
  /** Bytes that were allocated, on the heap and beside it. */
  readonly memory: number
  /** What must not be: another error, or a budget that was overrun. */
  readonly failure?: string
}

/** Examines the file, and judges how that went. */
export function trial(file: Uint8Array): Outcome {
  const before = allocated()
  const start = performance.now()
  const { kind, failure } = attempt(file)
  let time = performance.now() - start
  const memory = Math.max(0, allocated() - before)
  // The machine may have been busy, or the garbage of others was collected: what counts is what the file costs at best.
  for (let again = 0; time > BUDGET.time / 10 && again < 3; again++) time = Math.min(time, timeOf(file))
  if (failure !== undefined) return { kind, time, memory, failure }
  if (time > BUDGET.time) return { kind, time, memory, failure: `it takes ${time.toFixed(0)} ms` }
  if (memory > BUDGET.memory) return { kind, time, memory, failure: `it takes ${memory} bytes of memory` }
  return { kind, time, memory }
}

function attempt(file: Uint8Array): { kind: string; failure?: string } {
  try {
    const { length } = JSON.stringify(examine(file))
    if (length > BUDGET.answer) return { kind: 'taken', failure: `the answer has ${length} characters` }
    return { kind: 'taken' }
  } catch (error) {
    if (error instanceof PluginError) return { kind: error.kind }
    return { kind: 'crash', failure: error instanceof Error ? (error.stack ?? error.message) : String(error) }
  }
}

function timeOf(file: Uint8Array): number {
  const start = process.cpuUsage()
  attempt(file)
  const { user, system } = process.cpuUsage(start)
  return (user + system) / 1000
}

function allocated(): number {
  const { used_heap_size, external_memory } = getHeapStatistics()
  return used_heap_size + external_memory
}
