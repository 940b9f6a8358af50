import type { Digest } from '../../oci/digest.ts'
import type { Descriptor } from '../../oci/manifest.ts'
import type { Repository } from '../../oci/name.ts'
import { RemoteError } from '../../remote/error.ts'
import { type Discovery, type ListPage, pageOf } from '../discovery.ts'
import type { Parts } from '../parts.ts'
import type { MayBeStale, ReferrersQuery } from '../reads.ts'
import { routesOf } from './mirrored.ts'
import { orUnknown } from './upstream-fault.ts'

/** Entries of one step through the referrers that are here. */
const STEP = 1000

/** Lists of mirrored repositories: the upstream's, else of what is here. */
export class PulledLists {
  readonly #parts: Parts
  readonly #discovery: Discovery

  constructor(parts: Parts, discovery: Discovery) {
    this.#parts = parts
    this.#discovery = discovery
  }

  /** In the upstream's order. Throws `NAME_UNKNOWN`, `RemoteError`. */
  async tags(repository: Repository, limit: number, after?: string): Promise<ListPage<string> & MayBeStale> {
    const { index, mirrors } = this.#parts
    const here = () => this.#discovery.tags(repository, limit, after)
    const routes = limit > 0 ? await routesOf(index, mirrors, repository) : []
    try {
      const asked = await mirrors.ask(routes, 'tags', ({ upstream, repository: name }) =>
        upstream.tags(name, limit, after),
      )
      return asked ? { items: asked.answer.tags, next: asked.answer.next } : await here()
    } catch (error) {
      if (!(error instanceof RemoteError)) throw error
      const kept = await orUnknown(here())
      if (!kept) throw error
      return { ...kept, stale: { reason: error.message } }
    }
  }

  /** The upstream's and those that are here, by digest. */
  async referrers(
    repository: Repository,
    subject: Digest,
    limit: number,
    query: ReferrersQuery,
  ): Promise<ListPage<Descriptor> & MayBeStale> {
    const { index, mirrors } = this.#parts
    const routes = await routesOf(index, mirrors, repository)
    try {
      const asked = await mirrors.ask(routes, `referrers ${subject}`, ({ upstream, repository: name }) =>
        upstream.referrers(name, subject),
      )
      if (!asked) return await this.#discovery.referrers(repository, subject, limit, query)
      return await this.#merged(repository, subject, limit, query, asked.answer)
    } catch (error) {
      if (!(error instanceof RemoteError)) throw error
      const kept = await this.#discovery.referrers(repository, subject, limit, query)
      if (kept.items.length === 0) throw error
      return { ...kept, stale: { reason: error.message } }
    }
  }

  async #merged(
    repository: Repository,
    subject: Digest,
    limit: number,
    { artifactType, after = '' }: ReferrersQuery,
    theirs: readonly Descriptor[],
  ): Promise<ListPage<Descriptor>> {
    const all = new Map(
      theirs
        .filter(entry => artifactType === undefined || entry.artifactType === artifactType)
        .map(entry => [entry.digest, entry]),
    )
    let next: string | undefined = after
    while (next !== undefined) {
      const page: ListPage<Descriptor> = await this.#discovery.referrers(repository, subject, STEP, {
        artifactType,
        after: next,
      })
      for (const entry of page.items) all.set(entry.digest, entry)
      next = page.next
    }
    const entries = [...all.values()]
      .filter(({ digest }) => digest > after)
      .sort((a, b) => (a.digest < b.digest ? -1 : 1))
      .map(row => ({ key: [row.digest], row }))
    return pageOf(entries, limit)
  }
}
