import { CoreRegistry } from '../../spec/support/registry.ts'
import { reindex } from '../../src/core/reindex.ts'
import { IndexFolder, type IndexFolderOptions, IndexMissing } from '../../src/index/index-folder.ts'
import type { LevelIndex } from '../../src/index/level-index.ts'
import { FsBlobStore } from '../../src/store/fs-store.ts'

/** A registry on store, journal and index, as the program opens them. Garbage goes at once. */
export async function openStorage(root: string, options: IndexFolderOptions = {}): Promise<CoreRegistry> {
  const store = await FsBlobStore.open(root, options)
  // What fails in the background shows in what is there then.
  const index = await new IndexFolder(root, options).open(() => {})
  const registry = await CoreRegistry.open(root, { store, index, policy: { gcGrace: 0 } })
  await registry.collector.begin()
  return registry
}

/** The same where LevelDB may be lost: then `memflow-registry reindex --from-journal` goes before. */
export async function recoverStorage(root: string, options: IndexFolderOptions = {}): Promise<CoreRegistry> {
  try {
    return await openStorage(root, options)
  } catch (error) {
    if (!(error instanceof IndexMissing)) throw error
  }
  const folder = new IndexFolder(root, options)
  const store = await FsBlobStore.open(root, options)
  await folder.rebuild('journal', async (truth, target) => {
    const { parts } = await CoreRegistry.open(root, { store, index: target as LevelIndex })
    await reindex(truth, target, parts)
  })
  await folder.replace()
  return openStorage(root, options)
}
