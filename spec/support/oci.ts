import type { IncomingHttpHeaders } from 'node:http'
import { type Digest, digestOf } from '../../src/oci/digest.ts'
import type { Descriptor } from '../../src/oci/manifest.ts'
import { OCI_INDEX, OCI_MANIFEST } from '../../src/oci/media-types.ts'
import type { Answer } from './ask.ts'
import type { RunningRegistry } from './server.ts'

export type Located = Descriptor & { readonly digest: Digest }

/** Pushes a blob in one request and answers what points at it. */
export async function pushBlob(
  registry: RunningRegistry,
  repository: string,
  content: string | Uint8Array,
  mediaType = 'application/octet-stream',
): Promise<Located> {
  const digest = digestOf(content)
  const { status, text } = await registry.write('POST', `/v2/${repository}/blobs/uploads/?digest=${digest}`, {
    body: content,
  })
  if (status !== 201) throw new Error(`pushing a blob: ${status} ${text}`)
  return { mediaType, digest, size: Buffer.byteLength(content) }
}

/** A manifest of those layers; `more` overrides. Its config is the empty one (image-spec manifest.md). */
export function imageManifest(layers: readonly Descriptor[], more: object = {}): Buffer {
  const document = { schemaVersion: 2, mediaType: OCI_MANIFEST, config: EMPTY, layers, ...more }
  return Buffer.from(JSON.stringify(document))
}

export function imageIndex(manifests: readonly Descriptor[], more: object = {}): Buffer {
  return Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType: OCI_INDEX, manifests, ...more }))
}

export const EMPTY: Located = {
  mediaType: 'application/vnd.oci.empty.v1+json',
  digest: digestOf('{}'),
  size: 2,
}

/** PUT of a manifest; its Content-Type is its mediaType. */
export function putManifest(
  registry: RunningRegistry,
  repository: string,
  reference: string,
  body: Uint8Array,
  headers: Record<string, string> = {},
): Promise<Answer> {
  const { mediaType = OCI_MANIFEST } = JSON.parse(Buffer.from(body).toString()) as { mediaType?: string }
  return registry.write('PUT', `/v2/${repository}/manifests/${reference}`, {
    headers: { 'content-type': mediaType, ...headers },
    body,
  })
}

/** Pushes an artifact of one layer and the empty config, under a tag; answers what points at it. */
export async function pushArtifact(
  registry: RunningRegistry,
  repository: string,
  tag: string,
  more: object = {},
  content = 'content',
): Promise<Located> {
  await pushBlob(registry, repository, '{}')
  const layer = await pushBlob(registry, repository, content)
  const body = imageManifest([layer], more)
  const { status, text } = await putManifest(registry, repository, tag, body)
  if (status !== 201) throw new Error(`pushing a manifest: ${status} ${text}`)
  return { mediaType: OCI_MANIFEST, digest: digestOf(body), size: body.length }
}

/** The path of an upload's session, without the query that its Location has. */
export function sessionPath({ headers }: { readonly headers: IncomingHttpHeaders }): string {
  return (headers.location ?? '').replace(/\?.*$/, '')
}
