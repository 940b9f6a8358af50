// Is all that was acknowledged there after SIGKILL?
//
//   npm run crash -- [--rounds N] [--seed N]
//
// Clients push, tag, publish and delete; the server is killed in the middle of it, now and then again while it starts,
// and what it has then is compared with what it has said. Every second storage folder has its garbage collected all the
// time. The same seed draws the same actions, as far as the clients' turns are the same. The folder of a round that
// fails is kept; the exit code is 1 then.
import { parseArgs } from 'node:util'
import { Random } from '../support/random.ts'
import { Trial } from './kill-trial.ts'
import { Tally } from './tally.ts'

/** What a fault begins with, and what such faults are called. */
const FAULTS = ['lost', 'torn', 'corrupt', 'shrank', 'dangling', 'left over', 'failed']

const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '30' },
    seed: { type: 'string', default: String(Date.now() % 1_000_000) },
  },
})
const rounds = Number(values.rounds)
const seed = Number(values.seed)
const roundsOfFolder = Math.min(25, Math.ceil(rounds / 2))
const tally = new Tally()
const began = performance.now()
let [passing, failing] = [0, 0]

console.log(`${rounds} rounds, --seed ${seed}`)
for (let first = 0; first < rounds; first += roundsOfFolder) {
  const last = Math.min(first + roundsOfFolder, rounds)
  await trial(first, last, (first / roundsOfFolder) % 2 === 1)
}
for (const fault of FAULTS) tally.count(`FAULTS: ${fault}`, tally.faults(`${fault}: `))
tally.print()
console.log(`\n  ${passing} passing (${Math.round((performance.now() - began) / 1000)}s)`)
if (failing > 0) console.log(`  ${failing} failing`)
process.exitCode = failing > 0 ? 1 : 0

/** The rounds of one folder, numbered from 0. */
async function trial(first: number, last: number, collecting: boolean): Promise<void> {
  const trial = await Trial.begin(collecting, tally, new Random(seed, first))
  process.stdout.write(`  ${String(first + 1).padStart(4)}: `)
  let sound = true
  const step = async (work: () => Promise<void>) => {
    const failed = tally.failed
    await work().catch(error => tally.check(false, `failed: ${error.stack}`))
    const right = tally.failed === failed
    sound &&= right
    return right
  }
  for (let round = first; round < last; round++) {
    const right = await step(() => trial.round())
    process.stdout.write(right ? '.' : '!')
    if (right) passing++
    else failing++
  }
  if (!(await step(() => trial.end()))) failing++
  const folder = await trial.stop(!sound)
  console.log(sound ? '' : ` kept: ${folder}`)
}
