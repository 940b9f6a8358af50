import { join } from 'node:path'
import { measureGrowth, riseOf } from './growth.ts'
import { KOA, NGINX, OURS } from './peers.ts'
import { measureRegistries } from './registries.ts'
import { ratioOf } from './work.ts'

/** Ours beside another, far below what it reaches: other work on the machine must not fail this. */
const LEAST: readonly { title: RegExp; against: string; ratio: number }[] = [
  { title: /by tag/, against: KOA, ratio: 0.6 },
  { title: /by tag/, against: 'distribution', ratio: 2 },
  { title: /2 MiB/, against: NGINX, ratio: 0.5 },
]
const MOST_RISE = 2

/** A look at the few figures that tell of a mistake; answers what is wrong. */
export async function measureShort(folder: string): Promise<string[]> {
  const faults: string[] = []
  const check = (what: string, isRight: boolean) => {
    console.log(`${isRight ? 'ok' : 'FAILED'}: ${what}`)
    if (!isRight) faults.push(what)
  }
  const only = /manifest GET by tag|blob GET 2 MiB/
  const rows = await measureRegistries(join(folder, 'table'), { rounds: 2, seconds: 1, only })
  for (const { title, against, ratio } of LEAST) {
    const row = rows.find(row => title.test(row.title))
    const measured = row && ratioOf(row, [against], OURS)
    if (row && measured !== undefined)
      check(`${row.title}: ${measured.toFixed(2)} times ${against}, at least ${ratio}`, measured >= ratio)
  }
  const growth = await measureGrowth(folder, {
    levels: [100, 10_000],
    rounds: 2,
    seconds: 1,
    only: /manifest GET by tag \(cold\)|manifest push/,
  })
  for (const curve of growth.curves) {
    const rise = riseOf(curve)
    const what = `${curve.title} (${curve.group}): with 10,000 stored ${rise.toFixed(2)} times what it costs with 100`
    check(`${what}, at most ${MOST_RISE}`, rise <= MOST_RISE)
  }
  return faults
}
