import { parentPort, workerData } from 'node:worker_threads'
import { Random } from '../support/random.ts'
import { mutate } from './mutate.ts'
import { readSample } from './sample.ts'
import { trial } from './trial.ts'

// The thread that makes mutants and tries them, one after another. The main thread sees through shared memory
// where it is, so that it can tell when it hangs, and by what.

export interface Plan {
  readonly seed: number
  /** The number of the first mutant. */
  readonly from: number
  readonly mutants: number
  /** When to end, in milliseconds since the epoch. */
  readonly until: number
  readonly paths: readonly string[]
  /** The mutant that is tried. */
  readonly memory: SharedArrayBuffer
  /** Its number less `from`, and its size. */
  readonly progress: Int32Array
}

export interface Tally {
  readonly done: number
  readonly kinds: Readonly<Record<string, number>>
  readonly slowest: {
    readonly time: number
    readonly mutant: number
    readonly path: string
    readonly size: number
  }
  readonly hungriest: {
    readonly memory: number
    readonly mutant: number
    readonly path: string
    readonly size: number
  }
  /** Of the last mutant. */
  readonly failure?: string
  readonly path: string
}

parentPort?.postMessage(run(workerData as Plan))

function run({ seed, from, mutants, until, paths, memory, progress }: Plan): Tally {
  const samples = paths.map(readSample)
  const into = Buffer.from(memory)
  const kinds: Record<string, number> = {}
  let slowest = { time: 0, mutant: 0, path: '', size: 0 }
  let hungriest = { memory: 0, mutant: 0, path: '', size: 0 }
  let [done, path, failure] = [0, '', undefined as string | undefined]
  while (done < mutants && Date.now() < until && failure === undefined) {
    const mutant = from + done
    const random = new Random(seed, mutant)
    const sample = random.of(samples)
    path = sample.path
    const file = mutate(random, samples, sample, into)
    Atomics.store(progress, 1, file.length)
    Atomics.store(progress, 0, done)
    const outcome = trial(file)
    failure = outcome.failure
    kinds[outcome.kind] = (kinds[outcome.kind] ?? 0) + 1
    const about = { mutant, path, size: file.length }
    if (outcome.time > slowest.time) slowest = { time: outcome.time, ...about }
    if (outcome.memory > hungriest.memory) hungriest = { memory: outcome.memory, ...about }
    done++
  }
  return { done, kinds, slowest, hungriest, path, ...(failure !== undefined && { failure }) }
}
