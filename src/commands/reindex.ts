import { openParts, unusable } from '../compose.ts'
import type { Config } from '../config.ts'
import { type LeftOut, reindex } from '../core/reindex.ts'
import { IndexFolder, type Source } from '../index/index-folder.ts'
import { createLogger } from '../log.ts'
import { count } from './count.ts'
import { EXIT } from './exit-code.ts'
import { requireStorage } from './storage.ts'

/** Makes the index anew. Throws `ConfigError` where the storage is being served, or its source is damaged. */
export async function reindexCommand(config: Config, from: Source): Promise<void> {
  await requireStorage(config)
  const folder = new IndexFolder(config.storageRoot)
  const { parts, close } = await openParts(config, createLogger(config.logLevel, config.logFormat))
  let lost = 0
  const tell = (loss: string) => {
    lost++
    print(loss)
  }
  try {
    const done = await folder
      .rebuild(
        from,
        (truth, target) =>
          reindex(
            truth,
            target,
            { ...parts, index: target },
            {
              complete: lost === 0,
              onLeftOut: leftOut => tell(describe(leftOut)),
            },
          ),
        tell,
      )
      .catch(unusable(config))
    const old = await folder.replace({ keep: lost > 0 })
    print(
      `the index is made anew from ${SOURCES[from]}: ${[
        count(done.repositories, 'repository', 'repositories'),
        count(done.manifests, 'manifest'),
        count(done.tags, 'pushed tag'),
        count(done.blobs, 'blob'),
      ].join(', ')}`,
    )
    if (lost === 0) return
    print(`what it was made of is in ${old}; remove that when nothing is missed`)
    process.exitCode = EXIT.FINDINGS
  } finally {
    await close()
  }
}

const SOURCES: Record<Source, string> = {
  index: 'the index',
  journal: 'the journal',
  both: 'what can be read of index and journal',
}

function describe({ what, repository, reference, why }: LeftOut): string {
  return `${what} ${repository}${what === 'tag' ? ':' : '@'}${reference}: ${why}; it is left out`
}

function print(line: string): void {
  process.stdout.write(`${line}\n`)
}
