import type { Batch } from '../index/batch.ts'
import { CLAIMS, FACTS } from '../index/tables.ts'
import { readShared } from '../lib/shared.ts'
import type { Digest } from '../oci/digest.ts'
import { PluginError } from '../plugin/error.ts'
import { ANALYZER_VERSION, type BinaryFacts } from '../plugin/facts.ts'
import { changePlugins } from './changes.ts'
import type { Parts } from './parts.ts'

/** Part of a larger change: the facts of a binary that is being claimed. They go with its last claim, see `removeClaim`. */
export function keepFacts(batch: Batch, binary: Digest, facts: BinaryFacts): void {
  batch.put(FACTS, [binary], { analyzer: ANALYZER_VERSION, facts })
}

/**
 * The facts of a claimed binary. What an older or newer analyzer stored is read anew out of the bytes, and stored.
 * Undefined where there are none: nobody claims the binary, its bytes are gone, or this analyzer refuses them.
 */
export async function factsOfBinary(parts: Parts, binary: Digest): Promise<BinaryFacts | undefined> {
  const row = await parts.index.get(FACTS, binary)
  if (row?.analyzer === ANALYZER_VERSION) return row.facts
  const facts = await readFacts(parts, binary)
  if (!facts) return undefined
  let claimed = false
  await changePlugins(
    parts.index,
    async () => [],
    async batch => {
      claimed = (await batch.page(CLAIMS, [binary], { limit: 1 })).length > 0
      if (claimed) keepFacts(batch, binary, facts)
    },
  )
  return claimed ? facts : undefined
}

/** The facts out of the binary's bytes, whatever is stored. */
async function readFacts({ store, analyzer }: Parts, binary: Digest): Promise<BinaryFacts | undefined> {
  const handle = await store.open(binary)
  if (!handle) return undefined
  const bytes = await readShared(handle.read(), handle.size)
  try {
    return (await analyzer.examine(bytes)).facts
  } catch (error) {
    if (error instanceof PluginError) return undefined
    throw error
  }
}
