import { randomUUID } from 'node:crypto'
import type { Batch } from '../index/batch.ts'
import { FILES, type FileRow, type VariantRow } from '../index/tables.ts'
import { rfc3339 } from '../lib/clock.ts'
import { limited } from '../lib/limited.ts'
import { readShared } from '../lib/shared.ts'
import { type Digest, hexOf } from '../oci/digest.ts'
import { RegistryError } from '../oci/errors.ts'
import { parseManifest } from '../oci/manifest.ts'
import { type Repository, repositoryOf } from '../oci/name.ts'
import { type Document, pluginArtifact } from '../oci/plugin-artifact.ts'
import type { Examination } from '../plugin/examine.ts'
import { ANALYZER_VERSION, type BinaryFacts } from '../plugin/facts.ts'
import type { BlobHandle, Upload } from '../store/contract.ts'
import { keepBlob } from './blobs.ts'
import { changePlugins, keepingBytes } from './changes.ts'
import { type Claim, claimsOn, removeClaims } from './claims.ts'
import { type Compatibility, compatibleBuilds } from './compatible-builds.ts'
import type { Examinations } from './examinations.ts'
import { factsOfBinary } from './facts.ts'
import type { Host } from './host.ts'
import type { Manifests } from './manifests.ts'
import { checkPush } from './mirror/mirrored.ts'
import type { Parts } from './parts.ts'
import { judge } from './signatures.ts'
import { storeBytes } from './store-bytes.ts'
import { findVariants, listNames, type VariantFilter } from './variants.ts'

/** Plugins as memflow's clients know them: binaries by digest, variants by name. */
export class Plugins {
  readonly #parts: Parts
  readonly #manifests: Manifests

  constructor(parts: Parts, manifests: Manifests) {
    this.#parts = parts
    this.#manifests = manifests
  }

  names(): Promise<{ name: string; description: string }[]> {
    return listNames(this.#parts.index)
  }

  variants(name: string, filter: VariantFilter, skip: number, limit: number): Promise<VariantRow[]> {
    return findVariants(this.#parts.index, name, filter, skip, limit)
  }

  /** Throws `PLUGIN_UNKNOWN`. */
  async metadata(digest: Digest): Promise<FileRow & { readonly size: number }> {
    const file = await this.#parts.index.get(FILES, hexOf(digest))
    if (file) return file
    throw unknown(digest)
  }

  /** The facts in the binary, see docs/analysis.md. Throws `PLUGIN_UNKNOWN`, also where they cannot be read. */
  async analysis(digest: Digest): Promise<{ digest: string; analyzer: number } & BinaryFacts> {
    await this.metadata(digest)
    const facts = await factsOfBinary(this.#parts, digest)
    if (facts) return { digest: hexOf(digest), analyzer: ANALYZER_VERSION, ...facts }
    throw unknown(digest)
  }

  /** Which builds of a plugin would be loaded there, see docs/compatibility.md. */
  compatible(name: string, host: Host, skip: number, limit: number): Promise<Compatibility> {
    return compatibleBuilds(this.#parts, name, host, skip, limit)
  }

  /** Throws `PLUGIN_UNKNOWN` where the bytes of such a size are gone, though listed. */
  async check(digest: Digest, size: number): Promise<void> {
    if ((await this.#parts.store.stat(digest))?.size === size) return
    throw unknown(digest)
  }

  /** Throws `PLUGIN_UNKNOWN`. */
  async open(digest: Digest): Promise<BlobHandle> {
    const { size } = await this.metadata(digest)
    const handle = await this.#parts.store.open(digest, size)
    if (handle) return handle
    throw unknown(digest)
  }

  /** The binary whose digest begins with these digits. Throws `PLUGIN_UNKNOWN`, `BAD_REQUEST` where it is not the only one. */
  async find(digits: string): Promise<Digest> {
    const files = await this.#parts.index.page(FILES, [], { partial: digits, limit: 2 })
    const [file] = files
    if (!file) throw new RegistryError('PLUGIN_UNKNOWN', { detail: { digest: digits } })
    if (files.length === 1) return `sha256:${file.key[0]}` as Digest
    throw new RegistryError('BAD_REQUEST', {
      message: `several plugins begin with ${digits}; use more digits`,
    })
  }

  /** Takes in a binary to look at, which must be aborted in the end, also after it was published. Throws `PLUGIN_TOO_LARGE`. */
  async stage(body: AsyncIterable<Uint8Array>): Promise<Upload> {
    const upload = await this.#parts.store.begin(randomUUID(), 'sha256', true)
    const max = this.#parts.policy.maxPluginSize
    const tooLarge = () => new RegistryError('PLUGIN_TOO_LARGE', { detail: { limit: max } })
    try {
      await upload.append(limited(body, max, tooLarge), { max })
      return upload
    } catch (error) {
      await upload.abort()
      throw error
    }
  }

  /**
   * Publishes the staged binary: the blob, an artifact in the repository of each plugin in it, and the listing.
   * False where it is published already; the first signature stays. `createdThere`: of an upstream's, in nanoseconds.
   * Throws `SIGNATURE_INVALID`, `DENIED`, `TOOMANYREQUESTS` and `PluginError`; nothing is left behind then.
   */
  async publish(upload: Upload, signature: string, createdThere?: bigint): Promise<boolean> {
    const digest = await upload.digest('sha256')
    const { signature: kept } = judge(this.#parts, digest, signature)
    const bytes = await readShared(upload.read(), upload.size)
    const examination = await this.#parts.analyzer.examine(bytes)
    if (await this.#parts.index.get(FILES, hexOf(digest))) {
      // The bytes all the same: those that are here may have been damaged.
      await upload.commit(digest)
      return false
    }
    return this.#publish(upload, { digest, size: upload.size, ...examination }, kept, createdThere)
  }

  /** Takes the binary out of every repository: all manifests that bring it. Throws `PLUGIN_UNKNOWN`. */
  async delete(digest: Digest): Promise<void> {
    const examinations = this.#manifests.examinations()
    await examinations.run(() => this.#delete(digest, examinations))
  }

  async #delete(digest: Digest, examinations: Examinations): Promise<void> {
    let claims: Claim[] = []
    await changePlugins(
      this.#parts.index,
      async batch => {
        if (!(await batch.get(FILES, hexOf(digest)))) throw unknown(digest)
        claims = await claimsOn(batch, digest)
        return claims.map(({ repository }) => repository)
      },
      async batch => {
        // All claims at once, because each one that goes alone is looked at beside those that are left.
        await removeClaims(batch, claims)
        for (const { repository, manifest } of claims)
          await this.#manifests.remove(batch, repository, manifest.digest, examinations)
      },
    )
  }

  async #publish(
    upload: Upload,
    binary: { digest: Digest; size: number } & Examination,
    signature: string,
    createdThere: bigint | undefined,
  ): Promise<boolean> {
    const { clock, index, mirrors, store } = this.#parts
    const created = rfc3339(createdThere ?? clock.now())
    const homes = new Map<Repository, { config: Document; manifest: Document }>()
    for (const plugin of binary.descriptors) {
      const home = repositoryOf(plugin.name)
      if (!homes.has(home)) homes.set(home, pluginArtifact(binary, plugin, signature, created))
    }
    const configs = [...homes.values()].map(({ config }) => config)
    const digests = [binary.digest, ...configs.map(({ descriptor }) => descriptor.digest)]
    let first = true
    const publish = async (batch: Batch) => {
      const file = await batch.get(FILES, hexOf(binary.digest))
      first = file === undefined
      // Put again, so that nobody hears of it before it is durable: it has come just now.
      if (file) return batch.put(FILES, [file.digest], file)
      this.#manifests.search.layers.putPlugin(batch, { ...binary, binary: binary.digest })
      for (const [repository, { config, manifest }] of homes) {
        // What a key vouches for may stand in a mirrored repository, where no tag leads to it.
        if (createdThere === undefined) await checkPush(batch, mirrors, repository)
        keepBlob(batch, repository, binary.digest, binary.size)
        keepBlob(batch, repository, config.descriptor.digest, config.descriptor.size)
        const { digest, mediaType } = manifest.descriptor
        const pushed = { digest, bytes: manifest.bytes, manifest: parseManifest(manifest.bytes, mediaType) }
        const found = { binary: binary.digest, ...binary, signature, archive: undefined }
        await this.#manifests.add(batch, repository, { pushed, found: [found] })
      }
    }
    await keepingBytes(index, digests, async () => {
      await upload.commit(binary.digest)
      for (const { bytes } of configs) await storeBytes(store, bytes)
      await changePlugins(index, async () => [...homes.keys()], publish)
    })
    return first
  }
}

function unknown(digest: Digest): RegistryError {
  return new RegistryError('PLUGIN_UNKNOWN', { detail: { digest } })
}
