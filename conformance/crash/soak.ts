// Does the registry keep what it has acknowledged, and nothing else, however long and whatever happens?
//
//   npm run soak -- [--seconds N] [--clients N] [--seed N] [--chaos [--faults disk,descriptors,clock,restarts]]
//
// Starts the registry with a collection every second and a grace period of two, and lets clients push, mount, pull,
// attach and delete the same blobs all the time. All that was acknowledged must be there at every moment, and in the
// end nothing else may be left on the disk.
//
// With --chaos connections are cut in every way, readers and senders are slow, the disk fills up, descriptors run
// short, the clock is stepped, and the server is stopped and killed meanwhile, and a second registry mirrors it. Reads
// of what was acknowledged go on all the time. In the end the faults stop, and the server must have everything that it
// acknowledged, hold no more than at the beginning, and be right for fsck. `--faults none` leaves the cuts alone. The same seed draws the same actions, as far
// as the turns are the same.
//
// The exit code is 1 if something of that does not hold.
import { parseArgs } from 'node:util'
import { FAULT_NAMES } from './chaos-faults.ts'
import { ChaosRun } from './chaos-run.ts'
import { soakRun } from './soak-run.ts'

const { values } = parseArgs({
  options: {
    seconds: { type: 'string', default: '60' },
    clients: { type: 'string', default: '8' },
    seed: { type: 'string', default: String(Date.now() % 1_000_000) },
    chaos: { type: 'boolean', default: false },
    faults: { type: 'string', default: FAULT_NAMES.join() },
  },
})
const options = {
  seconds: Number(values.seconds),
  clients: Number(values.clients),
  seed: Number(values.seed),
}
const faults = new Set(FAULT_NAMES.filter(name => values.faults.split(',').includes(name)))
process.exitCode = (await (values.chaos ? ChaosRun.run({ ...options, faults }) : soakRun(options))) ? 0 : 1
