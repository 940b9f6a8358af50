import { analyze } from './analyze.ts'
import type { PluginDescriptor } from './descriptor.ts'
import { type BinaryFacts, factsOf } from './facts.ts'

/** All that is read out of a plugin binary. Plain data, which may go from thread to thread and into JSON. */
export interface Examination {
  readonly descriptors: readonly PluginDescriptor[]
  readonly facts: BinaryFacts
}

/** The plugins in a binary and its facts. Throws `PluginError` for everything that is no plugin. */
export function examine(file: Uint8Array): Examination {
  const descriptors = analyze(file)
  return { descriptors, facts: factsOf(file) }
}
