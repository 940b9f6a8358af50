import type { Index } from '../index/contract.ts'
import type { Clock } from '../lib/clock.ts'
import type { PluginDescriptor } from '../plugin/descriptor.ts'
import type { Verifier } from '../signature/verifier.ts'
import type { BlobStore } from '../store/contract.ts'

/** Descriptors out of a plugin binary; rejects with a PluginError. */
export interface Analyzer {
  analyze(file: Uint8Array): Promise<readonly PluginDescriptor[]>
}

export interface Policy {
  /** Largest plugin binary in bytes. */
  readonly maxPluginSize: number
  /** Largest blob in bytes. */
  readonly maxBlobSize: number
  /** Refuses a plugin without a signature over OCI too, where it would be kept but not listed. */
  readonly requireSignature: boolean
  /** Takes a manifest although blobs or manifests that it references are not here. */
  readonly sparseManifests: boolean
}

/** What the rules stand on; made once, in compose.ts. */
export interface Parts {
  readonly store: BlobStore
  readonly index: Index
  readonly analyzer: Analyzer
  readonly verifier: Verifier
  readonly clock: Clock
  readonly policy: Policy
}
