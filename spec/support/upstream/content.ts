import { type Digest, digestOf } from '../../../src/oci/digest.ts'
import type { Descriptor } from '../../../src/oci/manifest.ts'
import { OCI_MANIFEST } from '../../../src/oci/media-types.ts'

export interface StoredManifest {
  readonly mediaType: string
  readonly bytes: Buffer
}

/** One entry of the REST API's lists, as it goes out. */
export interface Variant {
  readonly digest: string
  readonly signature: string
  readonly created_at: string
  readonly descriptor: { readonly name: string; readonly description: string }
}

/** What an upstream has: a spec puts it in, clients only read. */
export class Content {
  readonly blobs = new Map<string, Buffer>()
  readonly manifests = new Map<string, StoredManifest>()
  /** By repository, in the order in which they came. */
  readonly tags = new Map<string, Map<string, Digest>>()
  readonly variants: Variant[] = []
  /** By hex digits. */
  readonly files = new Map<string, Buffer>()

  blob(content: string | Uint8Array): Digest {
    const digest = digestOf(content)
    this.blobs.set(digest, Buffer.from(content as string))
    return digest
  }

  /** Puts a manifest, under a tag where there is one. */
  manifest(repository: string, content: object | string, tag?: string): Digest {
    const text = typeof content === 'string' ? content : JSON.stringify(content)
    const digest = digestOf(text)
    const { mediaType = OCI_MANIFEST } = JSON.parse(text) as { mediaType?: string }
    this.manifests.set(`${repository}@${digest}`, { mediaType, bytes: Buffer.from(text) })
    const tags = this.tags.get(repository) ?? new Map<string, Digest>()
    this.tags.set(repository, tags)
    if (tag !== undefined) tags.set(tag, digest)
    return digest
  }

  /** Puts a plugin, as one file with one variant. */
  plugin(variant: Omit<Variant, 'digest'>, file: Uint8Array): string {
    const digest = digestOf(file).slice(7)
    this.variants.push({ digest, ...variant })
    this.files.set(digest, Buffer.from(file))
    return digest
  }

  /** The manifest at a tag or digest. */
  manifestAt(repository: string, reference: string): (StoredManifest & { digest: string }) | undefined {
    const digest = this.tags.get(repository)?.get(reference) ?? reference
    const stored = this.manifests.get(`${repository}@${digest}`)
    return stored && { ...stored, digest }
  }

  referrers(repository: string, subject: string): Descriptor[] {
    return [...this.manifests].flatMap(([key, { mediaType, bytes }]) => {
      const [name, digest = ''] = key.split('@')
      const manifest = JSON.parse(bytes.toString()) as { subject?: Descriptor; artifactType?: string }
      if (name !== repository || manifest.subject?.digest !== subject) return []
      const { artifactType } = manifest
      return [{ mediaType, digest, size: bytes.length, ...(artifactType !== undefined && { artifactType }) }]
    })
  }
}
