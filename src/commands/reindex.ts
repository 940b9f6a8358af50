import { openParts } from '../compose.ts'
import type { Config } from '../config.ts'
import { reindex } from '../core/reindex.ts'
import { IndexFolder, type Source } from '../index/index-folder.ts'
import { createLogger } from '../log.ts'

/** Makes the index anew. Throws `ConfigError` where the storage is being served. */
export async function reindexCommand(config: Config, from: Source): Promise<void> {
  const folder = new IndexFolder(config.storageRoot)
  const { parts, close } = await openParts(config, createLogger(config.logLevel))
  try {
    const done = await folder.rebuild(from, (source, target) =>
      reindex(source, target, { ...parts, index: target }),
    )
    await folder.replace()
    process.stdout.write(
      `the index is made anew from the ${from}: ${done.repositories} repositories, ${done.manifests} manifests, ` +
        `${done.tags} pushed tags, ${done.blobs} blobs\n`,
    )
  } finally {
    await close()
  }
}
