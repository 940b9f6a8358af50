import { openParts, unusable } from '../compose.ts'
import { type Config, ConfigError } from '../config.ts'
import { Fsck } from '../core/fsck.ts'
import { IndexFolder } from '../index/index-folder.ts'
import { copyForReading } from '../index/reading-copy.ts'
import { createLogger } from '../log.ts'
import { readOnlyReason } from '../store/read-only.ts'
import { contents, count } from './count.ts'
import { EXIT } from './exit-code.ts'
import { requireStorage } from './storage.ts'

/** Checks the index against journal and store, and makes it anew where that helps. Throws `ConfigError` where it cannot. */
export async function fsckCommand(config: Config, { repair = false }: { repair?: boolean }): Promise<void> {
  await requireStorage(config)
  const readOnly = await readOnlyReason(config.storageRoot)
  if (readOnly && repair)
    throw new ConfigError(
      `--repair: ${config.storageRoot} cannot be repaired: ${readOnly}; fsck alone checks it`,
    )
  const copy = readOnly ? await copyForReading(config.storageRoot).catch(unusable(config)) : undefined
  try {
    await check(config, new IndexFolder(copy?.root ?? config.storageRoot), repair)
  } finally {
    await copy?.remove()
  }
}

async function check(config: Config, folder: IndexFolder, repair: boolean): Promise<void> {
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
    if (counts.left > 0 || (!repair && mended > 0)) process.exitCode = EXIT.FINDINGS
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
