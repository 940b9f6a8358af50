// Does any file make the parsers crash, hang or waste?
//
//   npm run fuzz -- [--seconds N] [--mutants N] [--seed N] [--from N] [FILE...]
//
// Mutants of assets/plugins, and of the files given, are examined. Only a PluginError may come out, within the budgets
// of time and memory. The same seed makes the same mutants; `--seed S --from N --mutants 1` makes one of them again.
// A mutant that fails is written to a file; the exit code is 1 then.
import { readdirSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { Worker } from 'node:worker_threads'
import type { Plan, Tally } from './loop.ts'
import { MAX_SIZE } from './mutate.ts'

/** Milliseconds on one mutant after which it is said to hang. */
const HANGS = 20_000

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    seconds: { type: 'string', default: '60' },
    mutants: { type: 'string', default: '1000000000' },
    seed: { type: 'string', default: String(Date.now() % 2 ** 31) },
    from: { type: 'string', default: '0' },
  },
})

const started = Date.now()
const plan: Plan = {
  seed: Number(values.seed),
  from: Number(values.from),
  mutants: Number(values.mutants),
  until: started + Number(values.seconds) * 1000,
  paths: [...ownPlugins(), ...positionals],
  memory: new SharedArrayBuffer(MAX_SIZE),
  progress: new Int32Array(new SharedArrayBuffer(8)),
}
console.log(`seed ${plan.seed}: mutants of ${plan.paths.length} files for at most ${values.seconds} s`)

const loop = start()
let [last, since] = [-1, Date.now()]
const watch = setInterval(() => {
  const now = Atomics.load(plan.progress, 0)
  if (now !== last) [last, since] = [now, Date.now()]
  else if (Date.now() - since > HANGS) fail(plan.from + now, `it hangs for ${HANGS / 1000} s`)
}, 1000)
loop.on('message', (tally: Tally) => {
  clearInterval(watch)
  report(tally)
})
loop.on('error', error => {
  fail(plan.from + Atomics.load(plan.progress, 0), `the thread ended: ${error.stack ?? error.message}`)
})

function report({ done, kinds, slowest, hungriest, failure, path }: Tally): void {
  const seconds = (Date.now() - started) / 1000
  console.log(`${done} mutants in ${seconds.toFixed(1)} s: ${Math.round(done / seconds)} a second`)
  console.log(kinds)
  const about = ({ mutant, size, path }: Tally['slowest' | 'hungriest'] & object) =>
    `mutant ${mutant} of ${basename(path)}, ${size} bytes`
  console.log(`slowest: ${slowest.time.toFixed(1)} ms, ${about(slowest)}`)
  console.log(`most memory: ${(hungriest.memory / 2 ** 20).toFixed(1)} MiB, ${about(hungriest)}`)
  if (failure !== undefined) fail(plan.from + done - 1, `of ${basename(path)}: ${failure}`)
}

/** Writes down the mutant that is in the shared memory. */
function fail(mutant: number, text: string): never {
  const path = join(tmpdir(), `fuzz-${plan.seed}-${mutant}.bin`)
  writeFileSync(path, Buffer.from(plan.memory).subarray(0, Atomics.load(plan.progress, 1)))
  console.error(`FAILED: mutant ${mutant} ${text}\nwritten to ${path}`)
  process.exit(1)
}

/** Under Node 20 a thread has to register tsx by itself. */
function start(): Worker {
  const code = `import { register } from 'node:module'
    register('tsx/esm', '${import.meta.url}', { data: true })
    await import('${new URL('./loop.ts', import.meta.url)}')`
  return new Worker(new URL(`data:text/javascript,${encodeURIComponent(code)}`), { workerData: plan })
}

function ownPlugins(): string[] {
  const folder = fileURLToPath(new URL('../../assets/plugins/', import.meta.url))
  return readdirSync(folder)
    .filter(name => /\.(so|dll|dylib)$/.test(name))
    .map(name => join(folder, name))
}
