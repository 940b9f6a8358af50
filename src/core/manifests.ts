import type { Batch } from '../index/batch.ts'
import type { Reader } from '../index/contract.ts'
import { BINARIES, MANIFEST_BYTES, MANIFESTS, REPOSITORIES, TAGS } from '../index/tables.ts'
import { algorithmOf, type Digest, digestOf, isDigest } from '../oci/digest.ts'
import { RegistryError } from '../oci/errors.ts'
import type { Repository, Tag } from '../oci/name.ts'
import { signatureForSubject } from '../oci/plugin-artifact.ts'
import { changePlugins, changeRepositories } from './changes.ts'
import { compose } from './composed-tags.ts'
import { Examinations, type Examined } from './examinations.ts'
import { loadManifest, type Pushed, putManifest, removeManifest } from './manifest-rows.ts'
import { ManifestSearch, type SearchTime } from './manifest-search.ts'
import { checkPush } from './mirror/mirrored.ts'
import type { Parts } from './parts.ts'
import { checkSignature, claimPlugins } from './plugin-claims.ts'
import { type FoundPlugin, NOTHING } from './recognition.ts'
import { checkReferenceRows, checkReferences } from './references.ts'
import { setTag, unsetTag } from './tag-rows.ts'

/** How a manifest is named in a request. */
export type Reference = Digest | Tag

export interface StoredManifest {
  readonly digest: Digest
  readonly mediaType: string
  readonly bytes: Uint8Array
}

/** What a tag must point at, or must not, for the request to go on (RFC 9110, 13.1); `*` is any manifest. */
export interface Conditions {
  readonly ifMatch?: readonly string[] | undefined
  readonly ifNoneMatch?: readonly string[] | undefined
}

export class Manifests {
  readonly search: ManifestSearch
  readonly #parts: Parts
  readonly #onOwed: () => void

  /** `onOwed` is called when layers may have to be searched in the background. */
  constructor(parts: Parts, onOwed: () => void = () => {}) {
    this.#parts = parts
    this.#onOwed = onOwed
    this.search = new ManifestSearch(parts)
  }

  /** Throws `MANIFEST_UNKNOWN`, or `NAME_UNKNOWN` where the repository has no manifest at all. */
  async get(repository: Repository, reference: Reference): Promise<StoredManifest> {
    const { index } = this.#parts
    const digest = await resolve(index, repository, reference)
    const row = digest && (await index.get(MANIFESTS, repository, digest))
    const bytes = row && (await index.get(MANIFEST_BYTES, repository, digest))
    if (row && (!bytes || digestOf(bytes, algorithmOf(digest)) !== digest)) throw damaged(repository, digest)
    if (bytes) return { digest, mediaType: row.mediaType, bytes }
    throw await this.#unknown(repository, reference)
  }

  /**
   * Stores a manifest as it is and points the tags at it, all at once.
   * Throws `MANIFEST_INVALID`, `MANIFEST_BLOB_UNKNOWN`, `DIGEST_INVALID`, `PRECONDITION_FAILED`, `DENIED`,
   * `STORAGE_FULL`, and for plugins `PLUGIN_INVALID`, `PLUGIN_TOO_LARGE`, `SIGNATURE_INVALID`, `TOOMANYREQUESTS`; then
   * nothing has changed. `unsearched` says why plugins in it may not be listed, or not yet.
   */
  async put(
    repository: Repository,
    reference: Reference,
    bytes: Uint8Array,
    contentType: string | undefined,
    { tags = [], ...conditions }: { tags?: readonly Tag[] } & Conditions = {},
  ): Promise<{ digest: Digest; subject: string | undefined; unsearched: string | undefined }> {
    const { documents, index, store } = this.#parts
    const manifest = await documents.manifest(bytes, contentType, repository)
    const digest = digestOf(bytes, isDigest(reference) ? algorithmOf(reference) : 'sha256')
    if (isDigest(reference) && digest !== reference) {
      throw new RegistryError('DIGEST_INVALID', { detail: { expected: reference, received: digest } })
    }
    await store.admit()
    await checkPush(index, this.#parts.mirrors, repository)
    await checkReferences(this.#parts, repository, manifest)
    const examinations = this.examinations()
    const signature = signatureForSubject(manifest) ?? ''
    const early = await examinations.subject(repository, manifest, 'subject')
    if (early) checkSignature(this.#parts, early.found, signature)
    const examined = await this.#examine(repository, { digest, bytes, manifest }, 'push')
    await this.#store(repository, examined, examinations, async batch => {
      await checkPush(batch, this.#parts.mirrors, repository)
      await checkReferenceRows(batch, this.#parts, repository, manifest)
      if (!isDigest(reference)) await checkConditions(batch, repository, reference, conditions)
      // A subject that came in between has not seen this signature.
      const subject = await examinations.examinedSubject(batch, repository, manifest)
      if (subject && !early) checkSignature(this.#parts, subject.found, signature)
      await this.add(batch, repository, examined)
      for (const tag of isDigest(reference) ? tags : [reference])
        await setTag(batch, repository, tag, { digest })
      if (subject) await this.#reclaim(batch, repository, subject)
    })
    if (examined.owed.length > 0) this.#onOwed()
    return { digest, subject: manifest.subject?.digest, unsearched: examined.unsearched }
  }

  /**
   * Stores a manifest that needs no leave: one that was pushed here before, or an upstream's, with all that follows
   * from it. What it references need not be here. A plugin whose key is not known, or that is not understood, is kept
   * and not listed. `time` is when it came, in nanoseconds; `more` goes before it into the same change; `when` its
   * layers are searched.
   */
  async keep(
    repository: Repository,
    pushed: Pushed,
    time: bigint,
    more: (batch: Batch) => Promise<void> = async () => {},
    when: 'now' | 'later' = 'now',
  ): Promise<void> {
    const examinations = this.examinations()
    await examinations.subject(repository, pushed.manifest)
    const examined = await this.#examine(repository, pushed, when)
    await this.#store(repository, examined, examinations, async batch => {
      await more(batch)
      await putManifest(batch, repository, pushed, time)
      await claimPlugins(batch, this.#parts, repository, pushed, examined.found, time, 'keep')
      if (when === 'later') await this.search.owe(batch, repository, pushed.manifest)
      const subject = await examinations.examinedSubject(batch, repository, pushed.manifest)
      if (subject) await this.#reclaim(batch, repository, subject)
    })
    if (when === 'later') this.#onOwed()
  }

  /** Lists plugins that were found in a manifest after it was stored. */
  async list(repository: Repository, pushed: Pushed, found: readonly FoundPlugin[]): Promise<void> {
    const examined = { ...NOTHING, pushed, found }
    await this.#store(repository, examined, this.examinations(), batch =>
      this.#reclaim(batch, repository, examined),
    )
  }

  /** Part of a larger change: a manifest, and what follows from the plugins in it. */
  async add(
    batch: Batch,
    repository: Repository,
    { pushed, found }: Pick<Examined, 'pushed' | 'found'>,
  ): Promise<void> {
    const time = await putManifest(batch, repository, pushed, this.#parts.clock.now())
    await claimPlugins(batch, this.#parts, repository, pushed, found, time)
  }

  /**
   * A tag is removed alone, a digest with all its tags.
   * Throws `MANIFEST_UNKNOWN`, `NAME_UNKNOWN`, `PRECONDITION_FAILED`.
   */
  async delete(repository: Repository, reference: Reference, conditions: Conditions = {}): Promise<void> {
    const examinations = this.examinations()
    const change = async (batch: Batch) => {
      if (!isDigest(reference)) {
        await checkConditions(batch, repository, reference, conditions)
        if (!(await batch.get(TAGS, repository, reference))) throw await this.#unknown(repository, reference)
        await unsetTag(batch, repository, reference)
        return compose(batch, repository, reference)
      }
      if (!(await this.remove(batch, repository, reference, examinations)))
        throw await this.#unknown(repository, reference)
    }
    await examinations.run(() => this.#change(repository, isDigest(reference), change))
  }

  /** For a change in which manifests are removed. */
  examinations(): Examinations {
    return new Examinations(this.#parts, this.search)
  }

  /** Part of a larger change, which `examinations` runs. False where there is no such manifest. */
  async remove(
    batch: Batch,
    repository: Repository,
    digest: Digest,
    examinations: Examinations,
  ): Promise<boolean> {
    const pushed = await loadManifest(batch, this.#parts.documents, repository, digest)
    const row = await batch.get(MANIFESTS, repository, digest)
    if (!pushed || !row) return false
    const subject = await examinations.examinedSubject(batch, repository, pushed.manifest)
    await removeManifest(batch, repository, pushed, row)
    if (subject) await this.#reclaim(batch, repository, subject)
    return true
  }

  async #examine(repository: Repository, pushed: Pushed, when: SearchTime): Promise<Examined> {
    return { pushed, ...(await this.search.find(repository, pushed.manifest, when)) }
  }

  /** A signature has come or gone, or a blob has come: plugins stand anew. They are stored already, so none is refused. */
  async #reclaim(batch: Batch, repository: Repository, { pushed, found }: Examined): Promise<void> {
    const row = await batch.get(MANIFESTS, repository, pushed.digest)
    if (row) await claimPlugins(batch, this.#parts, repository, pushed, found, BigInt(row.pushed), 'keep')
  }

  async #store(
    repository: Repository,
    examined: Examined,
    examinations: Examinations,
    work: (batch: Batch) => Promise<void>,
  ): Promise<void> {
    const { pushed, found, searched } = examined
    const { layers } = this.search
    const plugins = found.length > 0 || signatureForSubject(pushed.manifest) !== undefined
    examinations.add(repository, examined)
    const change = async (batch: Batch) => {
      await work(batch)
      this.search.put(batch, repository, examined)
    }
    try {
      await examinations.run(() => this.#change(repository, plugins, change))
      layers.forget(searched)
    } catch (error) {
      await layers.remember(searched)
      throw error
    }
  }

  /** One atomic change of a repository, and of the plugin listing where plugins are in it. */
  #change(repository: Repository, plugins: boolean, work: (batch: Batch) => Promise<void>): Promise<void> {
    const { index } = this.#parts
    if (plugins) return changePlugins(index, async () => [repository], work)
    return changeRepositories(index, [repository], work)
  }

  async #unknown(repository: Repository, reference: Reference): Promise<RegistryError> {
    const known = await this.#parts.index.get(REPOSITORIES, repository)
    const error = known ? 'MANIFEST_UNKNOWN' : 'NAME_UNKNOWN'
    return new RegistryError(error, { detail: { name: repository, reference } })
  }
}

/** The manifest that a reference means: a digest, a tag, or the first digits of a plugin binary's digest. */
async function resolve(
  reader: Reader,
  repository: Repository,
  reference: Reference,
): Promise<Digest | undefined> {
  if (isDigest(reference)) return reference
  const tag = await reader.get(TAGS, repository, reference)
  if (tag) return tag.digest
  if (!/^[0-9a-f]{7,64}$/.test(reference)) return undefined
  const [build] = await reader.page(BINARIES, [repository], { partial: `sha256:${reference}`, limit: 1 })
  return build?.key[2] as Digest | undefined
}

/** Never a 404, which would say that it is gone: the journal still has it. */
function damaged(repository: Repository, digest: Digest): RegistryError {
  return new RegistryError('INDEX_DAMAGED', { detail: { name: repository, digest } })
}

async function checkConditions(
  reader: Reader,
  repository: Repository,
  tag: Tag,
  { ifMatch, ifNoneMatch }: Conditions,
): Promise<void> {
  if (!ifMatch && !ifNoneMatch) return
  const current = (await reader.get(TAGS, repository, tag))?.digest
  const among = (wanted: readonly string[]) =>
    current !== undefined && (wanted.includes('*') || wanted.includes(current))
  if ((!ifMatch || among(ifMatch)) && !(ifNoneMatch && among(ifNoneMatch))) return
  throw new RegistryError('PRECONDITION_FAILED', { detail: { tag, current } })
}
