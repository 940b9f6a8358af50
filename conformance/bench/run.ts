// How fast is it beside others, does it stay so, and what does it need?
//
//   npm run bench -- [--only WORDS] [--rounds N] [--seconds N] [--original BINARY]   beside other servers
//   npm run bench -- --growth [--only WORDS]     what reads and pushes cost with 10² to 10⁵ of everything stored
//   npm run bench -- --memory                    memory, start, analysis
//   npm run bench -- --short                     half a minute of it, with an exit code: for CI
//
// Needs wrk; other registries and nginx are measured where they are on PATH. `--json FILE` puts the figures into a file,
// beside those of the other parts; `--save` makes RESULTS.md of them. SERVER_COMMAND puts another command in the place
// of ours. Figures mean something on a machine that does nothing else; processor time for each request is the steadier
// one of the two. Pushed blobs stay on the disk until the end: with five servers and 3 rounds of 3 seconds some 30 GB;
// fewer, shorter rounds need less.
import { mkdtemp, rm } from 'node:fs/promises'
import { loadavg, tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { measureGrowth } from './growth.ts'
import { measureMemory } from './memory.ts'
import { measureRegistries } from './registries.ts'
import { measureRest } from './rest.ts'
import { machine, merge, type Results, save } from './results.ts'
import { measureShort } from './short.ts'
import { tableOf } from './table.ts'
import { assertWrk } from './wrk.ts'

const LEVELS = [100, 1000, 10_000, 100_000]

const { values } = parseArgs({
  options: {
    only: { type: 'string', default: '' },
    rounds: { type: 'string', default: '3' },
    seconds: { type: 'string', default: '4' },
    original: { type: 'string' },
    growth: { type: 'boolean', default: false },
    memory: { type: 'boolean', default: false },
    short: { type: 'boolean', default: false },
    save: { type: 'boolean', default: false },
    json: { type: 'string' },
  },
})
const seconds = Number(values.seconds)
const only = new RegExp(values.only)

assertWrk()
console.log(`${machine()}; ${loadavg()[0]?.toFixed(1)} processes were busy in the last minute`)
const folder = await mkdtemp(join(tmpdir(), 'bench-'))
try {
  if (values.short) {
    const faults = await measureShort(folder)
    if (faults.length > 0) process.exitCode = 1
  } else {
    const measured = await measure()
    const results = values.json === undefined ? measured : await merge(measured, values.json)
    if (values.save) await save(results)
  }
} finally {
  await rm(folder, { recursive: true, force: true })
}

async function measure(): Promise<Results> {
  if (values.memory) return { memory: await measureMemory(folder) }
  const rounds = { rounds: Number(values.rounds), seconds, only }
  if (values.growth) return { growth: await measureGrowth(folder, { levels: LEVELS, ...rounds }) }
  const registries = await measureRegistries(folder, rounds)
  const rest = await measureRest(folder, rounds, values.original)
  for (const rows of [registries, rest]) if (rows.length > 0) console.log(`\n${tableOf(rows)}`)
  return { ...(registries.length > 0 && { registries }), ...(rest.length > 0 && { rest }) }
}
