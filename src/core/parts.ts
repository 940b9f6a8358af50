import type { Readable } from 'node:stream'
import type { ArchivedPlugin, Unpacked, UnpackOptions } from '../analyzer/unpack.ts'
import type { Index } from '../index/contract.ts'
import type { Clock } from '../lib/clock.ts'
import type { Documents } from '../oci/documents.ts'
import type { Examination } from '../plugin/examine.ts'
import type { Verifier } from '../signature/verifier.ts'
import type { BlobStore } from '../store/contract.ts'
import type { Mirrors } from './mirror/mirrors.ts'

/**
 * Reads plugin binaries away from the event loop. Owners, which are repositories, take turns, and each has a share of
 * the queue. Both methods throw `TOOMANYREQUESTS` when the owner, or all of them, have too much in the queue.
 */
export interface Analyzer {
  /** Best called with bytes in shared memory (lib/shared.ts). Throws `PluginError`. */
  examine(file: Uint8Array, owner?: string): Promise<Examination>
  /**
   * Searches an archive for plugins. Calls `open` when its turn has come, and `onPlugin` with each plugin, whose bytes
   * are valid until that resolves. Throws `PluginError` when a file costs too much, and as `open` and `onPlugin` do.
   */
  unpack(
    open: () => Promise<Readable>,
    options: UnpackOptions,
    onPlugin: (plugin: ArchivedPlugin) => Promise<void>,
    owner?: string,
  ): Promise<Unpacked>
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
  /** How long an upload may lie without a byte, in milliseconds. */
  readonly uploadTtl: number
  /** How long what nothing needs stays, in milliseconds. */
  readonly gcGrace: number
  /** How much mirrored content stays, in bytes; Infinity: all. */
  readonly mirrorMaxSize: number
  /** A transfer from an upstream that every client has left is finished if no more bytes than this are missing. */
  readonly mirrorFinish: number
}

/** What the rules stand on; made once, in compose.ts. */
export interface Parts {
  readonly store: BlobStore
  readonly index: Index
  readonly analyzer: Analyzer
  readonly documents: Documents
  readonly verifier: Verifier
  readonly clock: Clock
  readonly policy: Policy
  readonly mirrors: Mirrors
}
