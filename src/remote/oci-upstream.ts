import { algorithmOf, type Digest, digestOf, hexOf, isDigest } from '../oci/digest.ts'
import { RegistryError } from '../oci/errors.ts'
import { descriptorIn } from '../oci/lenient-descriptor.ts'
import { type Descriptor, MAX_MANIFEST_BYTES, type Manifest, UNKNOWN_SIZE } from '../oci/manifest.ts'
import { MANIFEST_KINDS, OCI_INDEX } from '../oci/media-types.ts'
import { isTag, type Repository, type Tag } from '../oci/name.ts'
import { HANDED_ON_JSON, parseObject } from './body.ts'
import type { OciUpstream, RemoteBlob, RemoteManifest, RemoteReferrers } from './contract.ts'
import { RemoteError } from './error.ts'
import type { Reply } from './http.ts'
import { nextPage } from './link.ts'
import type { RemoteRequest } from './request.ts'
import type { UpstreamSettings } from './settings.ts'
import { type Document, type Question, type Surroundings, Upstream } from './upstream.ts'

const MANIFESTS = { accept: Object.keys(MANIFEST_KINDS).join(', ') }

const MOST_LIST_BYTES = 8 * 1024 * 1024

/** Pages of referrers; more of them come from an upstream that never ends. */
const MOST_PAGES = 100

/** Of all pages of referrers together, because each request for them merges and sorts the list. */
const MOST_REFERRERS = 10_000

/** Of all pages of referrers together. */
const MOST_REFERRERS_BYTES = 16 * 1024 * 1024

/** A page of referrers. */
interface Listed {
  readonly entries: readonly Descriptor[]
  /** How many entries cannot be handed on. */
  readonly lost: number
  readonly warning: string | undefined
}

/** An OCI registry (distribution-spec), also one that wants Docker's tokens. */
export class HttpOciUpstream implements OciUpstream {
  readonly #upstream: Upstream

  constructor(settings: UpstreamSettings, surroundings?: Surroundings) {
    this.#upstream = new Upstream(settings, surroundings)
  }

  get name(): string {
    return this.#upstream.name
  }

  async manifest(repository: Repository, reference: Digest | Tag): Promise<RemoteManifest> {
    const { request, reply, bytes } = await this.#upstream.document(
      manifestOf(repository, reference),
      MAX_MANIFEST_BYTES,
    )
    const stated = statedDigest(request, reply.headers)
    for (const digest of [stated, isDigest(reference) ? reference : undefined]) {
      if (digest !== undefined && digestOf(bytes, algorithmOf(digest)) !== digest) {
        throw request.refusal(`the manifest is not the one of ${digest}`)
      }
    }
    const manifest = await this.#parse({ request, reply, bytes })
    return { digest: isDigest(reference) ? reference : (stated ?? digestOf(bytes)), bytes, manifest }
  }

  async resolve(repository: Repository, tag: Tag): Promise<Digest | undefined> {
    const { request, reply } = await this.#upstream.head(manifestOf(repository, tag))
    return statedDigest(request, reply.headers)
  }

  async blob(repository: Repository, digest: Digest, start?: number): Promise<RemoteBlob> {
    return await this.#upstream.blob(pull('blob', repository, `blobs/${digest}`), start)
  }

  async stat(repository: Repository, digest: Digest): Promise<number | undefined> {
    return await this.#upstream.size(pull('blob', repository, `blobs/${digest}`))
  }

  async tags(repository: Repository, limit: number, after?: string) {
    const { entries, next } = await this.#page(pull('list', repository, 'tags/list'), 'tags', limit, after)
    return { tags: entries, next }
  }

  async referrers(repository: Repository, subject: Digest): Promise<RemoteReferrers> {
    try {
      return await this.#listedReferrers(repository, subject)
    } catch (error) {
      if (error instanceof RemoteError && error.failure === 'unknown') {
        return await this.#taggedReferrers(repository, subject)
      }
      throw error
    }
  }

  async repositories(limit: number, after?: string) {
    const catalog = { kind: 'list', place: '', path: '/v2/_catalog', scope: 'registry:catalog:*' } as const
    const { entries, next } = await this.#page(catalog, 'repositories', limit, after)
    return { repositories: entries, next }
  }

  async close(): Promise<void> {
    await this.#upstream.close()
  }

  /**
   * A page of names. Some registries page by a parameter of their own in place of `last`: then `next` is the query
   * of the next page, which begins with a question mark, as no name does.
   */
  async #page(
    question: Question,
    field: 'tags' | 'repositories',
    limit: number,
    after: string | undefined,
  ): Promise<{ entries: string[]; next: string | undefined }> {
    const query = new URLSearchParams(
      after?.startsWith('?') ? after : after === undefined ? {} : { last: after },
    )
    query.set('n', String(limit))
    const { request, reply, bytes } = await this.#upstream.document(
      { ...question, path: `${question.path}?${query}` },
      MOST_LIST_BYTES,
    )
    // Some write null for an empty list.
    const entries = (await parseObject(request, bytes, this.#upstream.documents))[field] ?? []
    const isEntry = (entry: unknown) => typeof entry === 'string' && (field !== 'tags' || isTag(entry))
    if (!Array.isArray(entries) || !entries.every(isEntry)) {
      throw request.refusal(`the answer has no list of ${field}`)
    }
    const page = nextPage(request, reply.headers.link)
    return { entries, next: page && (page.get('last') ?? `?${page}`) }
  }

  /** distribution-spec, Listing referrers. */
  async #listedReferrers(repository: Repository, subject: Digest): Promise<RemoteReferrers> {
    const entries: Descriptor[] = []
    let lost = 0
    let warning: string | undefined
    let query = ''
    let left = MOST_REFERRERS_BYTES
    const checkTime = this.#upstream.walk()
    for (let page = 1; ; page++) {
      const question = pull('list', repository, `referrers/${subject}${query}`, { accept: OCI_INDEX })
      const document = await this.#upstream.document(question, Math.min(left, MAX_MANIFEST_BYTES))
      const listed = await this.#entriesOf(document)
      if (!listed) throw document.request.error('wrong', 'the list of referrers is no index')
      for (const entry of listed.entries) entries.push(entry)
      lost += listed.lost
      warning ??= listed.warning
      if (entries.length + lost > MOST_REFERRERS)
        throw document.request.error('wrong', `it has more than ${MOST_REFERRERS} referrers`)
      const next = nextPage(document.request, document.reply.headers.link)
      if (!next) return { entries, fault: this.#faultOf(lost, warning) }
      if (page === MOST_PAGES) throw document.request.refusal(`it has more than ${page} pages`)
      checkTime(document.request)
      query = `?${next}`
      left -= document.bytes.length
    }
  }

  /** distribution-spec, Referrers tag schema: what is no index there means that there are none. */
  async #taggedReferrers(repository: Repository, subject: Digest): Promise<RemoteReferrers> {
    const tag = `${algorithmOf(subject)}-${hexOf(subject).slice(0, 64)}`
    try {
      const document = await this.#upstream.document(
        pull('list', repository, `manifests/${tag}`, MANIFESTS),
        MAX_MANIFEST_BYTES,
      )
      const listed = await this.#entriesOf(document)
      if (listed) return { entries: listed.entries, fault: this.#faultOf(listed.lost, listed.warning) }
      return { entries: [], fault: `${this.name}: its tag ${tag} is no index of referrers` }
    } catch (error) {
      if (error instanceof RemoteError && error.failure === 'unknown')
        return { entries: [], fault: undefined }
      throw error
    }
  }

  /** The entries that can be handed on, and what is wrong with the others; undefined if the document is no index. */
  async #entriesOf({ request, reply, bytes }: Document): Promise<Listed | undefined> {
    const document = await parseObject(request, bytes, this.#upstream.documents, HANDED_ON_JSON)
    // Go writes null for an empty list.
    const { manifests = document.mediaType === OCI_INDEX ? [] : undefined } = document
    const list = manifests ?? ('manifests' in document ? [] : undefined)
    if (!Array.isArray(list)) return undefined
    const entries = list.map(referrerIn).filter(entry => entry !== undefined)
    // A mirror as upstream warns of what it could not have from its own.
    const [, warning] = /^299 \S+ "((?:[^"\\]|\\.){1,300})/.exec(String(reply.headers.warning ?? '')) ?? []
    return { entries, lost: list.length - entries.length, warning }
  }

  #faultOf(lost: number, warning: string | undefined): string | undefined {
    if (lost > 0)
      return `${this.name}: ${lost} of its referrers have no media type, digest or size, and are left out`
    return warning && `${this.name}: ${warning.replace(/\\(.)/g, '$1')}`
  }

  async #parse({ request, reply, bytes }: Document): Promise<Manifest> {
    try {
      return await this.#upstream.documents.received(bytes, reply.headers['content-type'], this.name)
    } catch (error) {
      if (!(error instanceof RegistryError)) throw error
      if (error.error === 'TOOMANYREQUESTS') throw request.error('busy', error.message, { retryAfter: 1 })
      throw request.error('wrong', error.message, { cause: error })
    }
  }
}

/** An entry of a list of referrers, which clients need all three fields of; undefined without one of them. */
function referrerIn(value: unknown): Descriptor | undefined {
  const entry = descriptorIn(value, '')
  return entry && entry.mediaType !== '' && entry.size !== UNKNOWN_SIZE ? entry : undefined
}

function pull(
  kind: Question['kind'],
  repository: Repository,
  path: string,
  headers: Record<string, string> = {},
): Question {
  const scope = `repository:${repository}:pull`
  return { kind, place: repository, path: `/v2/${repository}/${path}`, scope, headers }
}

function manifestOf(repository: Repository, reference: Digest | Tag): Question {
  return pull(isDigest(reference) ? 'manifest' : 'tag', repository, `manifests/${reference}`, MANIFESTS)
}

function statedDigest(request: RemoteRequest, headers: Reply['headers']): Digest | undefined {
  const digest = headers['docker-content-digest']
  if (digest === undefined || isDigest(digest)) return digest
  throw request.refusal('its Docker-Content-Digest is no digest')
}
