import type { Digest } from '../oci/digest.ts'
import type { PluginDescriptor } from '../plugin/descriptor.ts'
import type { BinaryFacts } from '../plugin/facts.ts'
import { table } from './tables.ts'

/*
 * Neither truth nor derived from it: what was found out about layers, which can be found out again, and work that is
 * still to be done, which making the index anew does at once.
 */

/** A plugin binary in a layer: the layer itself, or a file in it. */
export interface LayerPlugin {
  /** Always the sha256. */
  readonly binary: Digest
  /** In bytes. */
  readonly size: number
  readonly descriptors: readonly PluginDescriptor[]
  readonly facts: BinaryFacts
}

/** Which plugins are in a layer. Depends on its bytes and the rules alone. */
export interface VerdictRow {
  /** Names analyzer and limits; a verdict by other rules counts as none. */
  readonly rules: string
  /** Bytes and archive entries that it took to find out. They count against the budget of each manifest that names it. */
  readonly bytes: number
  readonly entries: number
  readonly plugins: readonly LayerPlugin[]
  /** Why the rest of it was not searched. */
  readonly past?: string
  /** Why plugins may be in it that were passed over, such as damage; a push is refused for it only if signatures are required. */
  readonly unread?: string
  /** Why a binary is no plugin. */
  readonly refusal?: string
}

/** Removed with the blob. */
export const VERDICTS = table<[layer: string], VerdictRow>('verdict')

export interface OwedRow {
  /** The last manifest whose plugins were listed, when that was interrupted. */
  readonly after?: string
  /** How often it failed. */
  readonly failures?: number
}

/** Layers that are to be searched for plugins for the manifests of the repository that name them. */
export const OWED = table<[repository: string, layer: string], OwedRow>('owed')
