import { openParts, unusable } from '../compose.ts'
import type { Config } from '../config.ts'
import { Fsck } from '../core/fsck.ts'
import { IndexFolder } from '../index/index-folder.ts'
import { createLogger } from '../log.ts'
import { contents, count } from './count.ts'
import { requireStorage } from './storage.ts'

/** Exit code where something is found, with `repair` where something of it is left; 0 else. */
const FOUND = 1

/** Checks the index against journal and store, and makes it anew where that helps. Throws `ConfigError` where it cannot. */
export async function fsckCommand(config: Config, { repair = false }: { repair?: boolean }): Promise<void> {
  await requireStorage(config)
  const folder = new IndexFolder(config.storageRoot)
  const counts = { right: 0, 'left out': 0, left: 0 }
  const damaged = new Set<string>()
  // Findings are the lines of this command: a log would repeat them.
  const { parts, close } = await openParts(config, createLogger('off'), {
    quarantine: repair,
    onDamage: ({ digest, quarantined }) => {
      if (damaged.has(digest)) return
      damaged.add(digest)
      counts.left++
      print(
        `blob ${digest}: its file is damaged${quarantined ? `, and now ${quarantined}` : ''}; push it again`,
      )
    },
  })
  const fsck = new Fsck(parts, ({ text, mended }) => {
    counts[mended ?? 'left']++
    print(text)
  })
  try {
    const { repositories, manifests, blobs } = await folder
      .examine((truth, target, index) => fsck.run({ index, truth, target }), {
        row: key => fsck.damagedRow(key),
        journal: damage => fsck.damagedJournal(damage),
      })
      .catch(unusable(config))
    const mended = counts.right + counts['left out']
    const kept = repair && mended > 0 && (await folder.replace({ keep: counts['left out'] > 0 }))
    if (!kept) await folder.discard()
    print(`${contents({ repositories, manifests, blobs })}: ${outcome(repair, mended, counts.left)}`)
    if (kept && counts['left out'] > 0)
      print(
        `${counts['left out']} left out; the index with them is in ${kept}, remove that when nothing is missed`,
      )
    if (counts.left > 0 || (!repair && mended > 0)) process.exitCode = FOUND
  } finally {
    await close()
  }
}

function outcome(repair: boolean, mended: number, left: number): string {
  if (mended + left === 0) return 'all is right'
  const findings = count(mended + left, 'finding')
  if (repair) return `${findings}, ${mended} repaired, ${left} left`
  return mended > 0 ? `${findings}, of which memflow-registry fsck --repair repairs ${mended}` : findings
}

function print(line: string): void {
  process.stdout.write(`${line}\n`)
}
