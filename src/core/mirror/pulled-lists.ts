import { SingleFlight } from '../../lib/single-flight.ts'
import type { Digest } from '../../oci/digest.ts'
import { RegistryError } from '../../oci/errors.ts'
import type { Descriptor } from '../../oci/manifest.ts'
import type { Repository } from '../../oci/name.ts'
import { RemoteError } from '../../remote/error.ts'
import { type Discovery, type ListPage, pageOf } from '../discovery.ts'
import type { Parts } from '../parts.ts'
import type { Caller, MayBeStale, MayLack, ReferrersQuery } from '../reads.ts'
import { routesOf } from './mirrored.ts'
import type { Route } from './mirrors.ts'
import { Late, Patience } from './patience.ts'
import { RecentLists } from './recent-lists.ts'
import { orUnknown } from './upstream-fault.ts'

/** Entries of one step through the referrers that are here. */
const STEP = 1000

/** What an upstream says of a list; undefined if it does not have it. */
type Asked<T> = { readonly answer: T } | undefined

/** Lists of mirrored repositories: the upstream's, else those that it sent last, else of what is here. */
export class PulledLists {
  readonly #parts: Parts
  readonly #discovery: Discovery
  readonly #patience = new Patience()
  readonly #flights = new SingleFlight<Asked<unknown>>()
  readonly #recent = new RecentLists<unknown>()

  constructor(parts: Parts, discovery: Discovery) {
    this.#parts = parts
    this.#discovery = discovery
  }

  /** In the upstream's order. Throws `NAME_UNKNOWN`, `TOOMANYREQUESTS`, `RemoteError`. */
  async tags(
    repository: Repository,
    limit: number,
    after?: string,
    caller?: Caller,
  ): Promise<ListPage<string> & MayBeStale> {
    const { index, mirrors } = this.#parts
    const here = () => this.#discovery.tags(repository, limit, after)
    const routes = limit > 0 ? await routesOf(index, mirrors, repository) : []
    if (routes.length === 0) return here()
    const list = `tags ${limit} ${after ?? ''}`
    return this.#answer(routes, repository, list, caller, {
      ask: ({ upstream, repository: name }) => upstream.tags(name, limit, after),
      page: async ({ tags, next }) => ({ items: tags, next }),
      here: () => orUnknown(here()),
      unknown: here,
    })
  }

  /** The upstream's and those that are here, by digest; with what is wrong with the upstream's list. */
  async referrers(
    repository: Repository,
    subject: Digest,
    limit: number,
    query: ReferrersQuery,
    caller?: Caller,
  ): Promise<ListPage<Descriptor> & MayBeStale & MayLack> {
    const { index, mirrors } = this.#parts
    const here = () => this.#discovery.referrers(repository, subject, limit, query)
    const routes = await routesOf(index, mirrors, repository)
    if (routes.length === 0) return here()
    return this.#answer(routes, repository, `referrers ${subject}`, caller, {
      ask: ({ upstream, repository: name }) => upstream.referrers(name, subject),
      page: async ({ entries, fault }) => ({
        ...(await this.#merged(repository, subject, limit, query, entries)),
        fault,
      }),
      here: async () => {
        const kept = await here()
        return kept.items.length > 0 ? kept : undefined
      },
      unknown: here,
    })
  }

  /** What the upstream says, if it says so soon or nothing is kept; else what is kept. */
  async #answer<T, Page extends ListPage<unknown>>(
    routes: readonly Route[],
    repository: Repository,
    list: string,
    caller: Caller | undefined,
    {
      ask,
      page,
      here,
      unknown,
    }: {
      readonly ask: (route: Route) => Promise<T>
      /** The page that the upstream's list makes. */
      readonly page: (list: T) => Promise<Page>
      /** What is here without the upstream; undefined if that is nothing. */
      readonly here: () => Promise<Page | undefined>
      /** For a list that no upstream has. */
      readonly unknown: () => Promise<Page>
    },
  ): Promise<Page & MayBeStale> {
    const { mirrors } = this.#parts
    const key = `${repository} ${list}`
    const renew = () =>
      this.#flights.run(key, async () => {
        const asked = await mirrors.ask(routes, list, ask, caller)
        if (asked) this.#recent.set(key, asked.answer)
        return asked
      }) as Promise<Asked<T>>
    let renewal: Promise<Asked<T>> | undefined
    const fresh = async (asked: Asked<T>) => (asked ? page(asked.answer) : unknown())
    try {
      mirrors.admit(caller)
      renewal = renew()
      const names = mirrors.namesOf(repository)
      return await fresh(await (caller?.validates ? renewal : this.#patience.wait(names, renewal)))
    } catch (error) {
      if (!isFault(error)) throw error
      const recent = this.#recent.get(key)
      const kept = recent ? await page(recent.list as T) : await here()
      if (kept) return { ...kept, stale: { reason: error.message, ...(recent && { age: recent.age }) } }
      if (error instanceof Late && renewal) return fresh(await renewal)
      throw error
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

/** Whether what is kept is an answer in spite of the error. */
function isFault(error: unknown): error is Error {
  return error instanceof RemoteError || (error instanceof RegistryError && error.error === 'TOOMANYREQUESTS')
}
