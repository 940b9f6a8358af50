import { loadMirrors, type MirrorSettings } from '../../src/mirror-settings.ts'
import type { Digest } from '../../src/oci/digest.ts'
import { OCI_MANIFEST } from '../../src/oci/media-types.ts'
import { FaultyUpstream, type UpstreamOptions } from './faulty-upstream.ts'
import { EMPTY, type Located } from './oci.ts'
import { type RunningRegistry, type ServerOptions, startRegistry } from './server.ts'
import { PATIENT } from './upstream/asking.ts'

/** A mirror of everything the upstream has, under `up/`. */
export function mirrorOf(url: string, more: Partial<MirrorSettings> = {}): MirrorSettings {
  const [settings] = loadMirrors({ MEMFLOW_MIRROR: url })
  if (!settings) throw new Error('one setting, one mirror')
  return { ...settings, name: 'up', prefix: 'up', ...PATIENT, ...more }
}

export interface Mirroring {
  readonly upstream: FaultyUpstream
  readonly mirror: RunningRegistry
  /** What the mirror runs with: see `hurry`. */
  readonly settings: MirrorSettings
}

type MirrorOptions = Partial<MirrorSettings> & { server?: ServerOptions; upstream?: UpstreamOptions }

/** Inside a describe block: `const mirroring = mirrors()`; then `await mirroring()` is an upstream with a registry that mirrors it. */
export function mirrors(): (options?: MirrorOptions) => Promise<Mirroring> {
  const running: Mirroring[] = []

  afterEach(async () => {
    for (const { mirror, upstream } of running.splice(0)) {
      await mirror.close().catch(() => {})
      await upstream.stop().catch(() => {})
    }
  })

  return async ({ server = {}, upstream: options, ...more } = {}) => {
    const upstream = await FaultyUpstream.start(options)
    const settings = mirrorOf(upstream.url, more)
    const mirror = await startRegistry({ ...server, policy: { ...server.policy, mirrors: [settings] } })
    const mirroring = { upstream, mirror, settings }
    running.push(mirroring)
    return mirroring
  }
}

/** Puts an artifact of one layer there, by default under a tag; answers what it consists of. */
export function putArtifact(
  { content }: FaultyUpstream,
  repository: string,
  tag: string | undefined,
  layer: string | Uint8Array,
  more: object = {},
): { manifest: Digest; layer: Digest } {
  content.blob('{}')
  const digest = content.blob(layer)
  const layers: Located[] = [
    { mediaType: 'application/octet-stream', digest, size: Buffer.byteLength(layer as string) },
  ]
  const document = { schemaVersion: 2, mediaType: OCI_MANIFEST, config: EMPTY, layers, ...more }
  return { manifest: content.manifest(repository, document, tag), layer: digest }
}
