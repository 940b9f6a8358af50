import { parseLenientManifest } from './lenient-manifest.ts'
import { type Manifest, parseManifest, parseObject } from './manifest.ts'
import { MANIFEST_LIMITS } from './manifest-limits.ts'
import type { JsonLimits } from './strict-json.ts'

/** Parses documents of strangers without holding up other requests. */
export interface Documents {
  /**
   * Reads and checks a manifest, see `parseManifest`. Documents of one `group` wait for each other only.
   * Throws `MANIFEST_INVALID`, `MANIFEST_TOO_LARGE`; `TOOMANYREQUESTS` if too many are waiting.
   */
  manifest(bytes: Uint8Array, contentType: string | undefined, group: string): Promise<Manifest>
  /** Reads what an upstream serves as a manifest, see `parseLenientManifest`. Throws as `manifest` does. */
  received(bytes: Uint8Array, contentType: string | undefined, group: string): Promise<Manifest>
  /**
   * Reads a manifest that is stored already, without limits. It comes before those of clients and is never refused for
   * lack of room, because it may be waited for while a lock is held. Throws `MANIFEST_INVALID`.
   */
  stored(bytes: Uint8Array, mediaType: string): Promise<Manifest>
  /** Reads a JSON object within the limits, see `parseObject`. Throws as `manifest` does. */
  object(bytes: Uint8Array, limits: JsonLimits, group: string): Promise<Record<string, unknown>>
}

/** Parses in the calling thread, for commands, which serve nobody meanwhile. */
export const DOCUMENTS_HERE: Documents = {
  manifest: async (bytes, contentType) => parseManifest(bytes, contentType),
  received: async (bytes, contentType) => parseLenientManifest(bytes, contentType, MANIFEST_LIMITS),
  stored: async (bytes, mediaType) => parseLenientManifest(bytes, mediaType),
  object: async (bytes, limits) => parseObject(bytes, limits),
}
