import { ExpiringMap } from '../../lib/expiring-map.ts'
import { globs } from '../../lib/glob.ts'
import type { Repository, Tag } from '../../oci/name.ts'
import type { MemflowUpstream, OciUpstream } from '../../remote/contract.ts'
import { RemoteError } from '../../remote/error.ts'
import type { Caller } from '../reads.ts'
import { ClientRates, FAILED_COST } from './client-rates.ts'

/** Which repositories of an upstream are mirrored, under which names, and for how long its word is good. */
export interface MirrorRules {
  readonly name: string
  /** What `?ns=` calls the upstream. */
  readonly namespace: string | undefined
  /** The hosts that image names have for the upstream, by its URL; `?ns=` may be one of them as well. */
  readonly hosts: readonly string[]
  /** The upstream's repository `x` is `<prefix>/x` here; undefined: it is `x`, where nobody has pushed one. */
  readonly prefix: string | undefined
  /** Patterns of the upstream's names; what one of `deny` fits is not mirrored in any case. */
  readonly allow: readonly string[]
  readonly deny: readonly string[]
  /** For how long a tag is served without asking, in milliseconds. */
  readonly tagTtl: number
  /** Tags that never change. */
  readonly immutableTags: readonly RegExp[]
  /** For how long the upstream is not asked again for what it does not have, in milliseconds. */
  readonly negativeTtl: number
  /** Milliseconds that a request waits for the upstream if there is an answer without it; absent: half a second. */
  readonly patience?: number
}

/** An upstream's repository that one of here stands for. */
export interface Route {
  readonly rules: MirrorRules
  readonly upstream: OciUpstream
  readonly repository: Repository
}

interface Mirror<Upstream> {
  readonly rules: MirrorRules
  readonly upstream: Upstream
  /** Whether the upstream's repository, or plugin, of that name is mirrored. */
  readonly mirrored: (name: string) => boolean
}

/** A memflow registry, whose plugins are found here under their own names. */
export type MemflowMirror = Mirror<MemflowUpstream>

/** Somebody to ask, for a repository or for something that is in none. */
interface Asked {
  readonly rules: MirrorRules
  readonly repository?: Repository
}

/** What upstreams do not have is remembered up to so many things: a few megabytes. */
const MOST_UNKNOWN = 10_000

/** The same of documents that were refused, which come with a reason. */
const MAX_REFUSED = 1000

/** The upstreams, and which one to ask for what. */
export class Mirrors {
  readonly memflow: readonly MemflowMirror[]
  readonly #mirrors: readonly Mirror<OciUpstream>[]
  readonly #rates: ClientRates
  readonly #unknown = new ExpiringMap<true>(MOST_UNKNOWN)
  readonly #refused = new ExpiringMap<RemoteError>(MAX_REFUSED)

  constructor(
    oci: readonly Omit<Mirror<OciUpstream>, 'mirrored'>[] = [],
    memflow: readonly Omit<MemflowMirror, 'mirrored'>[] = [],
    rates = new ClientRates(Number.POSITIVE_INFINITY),
  ) {
    this.#rates = rates
    this.#mirrors = oci.map(byRules)
    this.memflow = memflow.map(byRules)
  }

  /** Whether there are OCI upstreams. */
  get configured(): boolean {
    return this.#mirrors.length > 0
  }

  /**
   * The local name of the repository that a request with `?ns=` asks for. Undefined if the namespace is of no mirror.
   * A namespace that the operator has set precedes one that follows from a URL.
   */
  localName(namespace: string, name: string): string | undefined {
    const all = this.#mirrors.map(({ rules }) => rules)
    const mirror =
      all.find(rules => rules.namespace === namespace) ?? all.find(({ hosts }) => hosts.includes(namespace))
    if (!mirror) return undefined
    return mirror.prefix === undefined ? name : `${mirror.prefix}/${name}`
  }

  /** Whether the repository's name is under a mirror's prefix, so that it can be nothing else than a mirrored one. */
  prefixed(repository: Repository): boolean {
    return this.#under(repository).length > 0
  }

  /** Where to ask for what belongs into the repository, in this order. */
  routes(repository: Repository): Route[] {
    const under = this.#under(repository)
    const mirrors = under.length > 0 ? under : this.#mirrors.filter(({ rules }) => rules.prefix === undefined)
    return mirrors.flatMap(({ rules, upstream, mirrored }) => {
      const name = rules.prefix === undefined ? repository : repository.slice(rules.prefix.length + 1)
      return mirrored(name) ? [{ rules, upstream, repository: name as Repository }] : []
    })
  }

  /** The names of the upstreams of a repository, as one text. */
  namesOf(repository: Repository): string {
    return this.routes(repository)
      .map(({ rules }) => rules.name)
      .join(', ')
  }

  /** Throws `TOOMANYREQUESTS` if the caller has caused too many requests to upstreams. */
  admit(caller: Caller | undefined): void {
    this.#rates.admit(caller?.address)
  }

  /** Notes that the caller has caused requests to upstreams that cost so much. */
  charge(caller: Caller | undefined, cost: number): void {
    this.#rates.charge(caller?.address, cost)
  }

  /** Runs a request to an upstream that the caller has caused; its outcome says what it costs. */
  async charged<T>(caller: Caller | undefined, request: () => Promise<T>): Promise<T> {
    this.charge(caller, 1)
    try {
      return await request()
    } catch (error) {
      const { failure } = error instanceof RemoteError ? error : {}
      if (failure === 'unknown' || failure === 'refused') this.charge(caller, FAILED_COST - 1)
      throw error
    }
  }

  /**
   * What the first of the upstreams that has it answers. Undefined where all say that they do not have it.
   * Throws the `RemoteError` of the first one that failed, where none has it. `what` names the thing asked for.
   */
  async ask<R extends Asked, T>(
    routes: readonly R[],
    what: string,
    question: (route: R) => Promise<T>,
    caller?: Caller,
  ): Promise<{ route: R; answer: T } | undefined> {
    let fault: RemoteError | undefined
    for (const route of routes) {
      const key = `${route.rules.name} ${route.repository ?? ''} ${what}`
      if (this.#unknown.get(key)) continue
      const refused = this.#refused.get(key)
      fault ??= refused
      if (refused) continue
      try {
        return { route, answer: await this.charged(caller, () => question(route)) }
      } catch (error) {
        if (!(error instanceof RemoteError)) throw error
        if (error.failure === 'unknown') this.#unknown.set(key, true, route.rules.negativeTtl)
        else fault ??= error
        if (error.refused) this.#refused.set(key, error, route.rules.negativeTtl)
      }
    }
    if (fault) throw fault
    return undefined
  }

  /**
   * Whether what the upstream said of the tag so long ago, in milliseconds, still holds. If that is in the future, the
   * clock was put back, and nothing is known of its age.
   */
  static holds({ rules }: Route, tag: Tag, age: number): boolean {
    return (age >= 0 && age < rules.tagTtl) || rules.immutableTags.some(pattern => pattern.test(tag))
  }

  async close(): Promise<void> {
    await Promise.all([...this.#mirrors, ...this.memflow].map(({ upstream }) => upstream.close()))
  }

  /** The mirrors of the longest prefix that the name is under. */
  #under(repository: Repository): Mirror<OciUpstream>[] {
    const under = this.#mirrors.filter(
      ({ rules: { prefix } }) => prefix !== undefined && repository.startsWith(`${prefix}/`),
    )
    const longest = Math.max(0, ...under.map(({ rules }) => rules.prefix?.length ?? 0))
    return under.filter(({ rules }) => rules.prefix?.length === longest)
  }
}

function byRules<Upstream>(mirror: Omit<Mirror<Upstream>, 'mirrored'>): Mirror<Upstream> {
  const [allowed, denied] = [globs(mirror.rules.allow), globs(mirror.rules.deny)]
  return { ...mirror, mirrored: name => allowed(name) && !denied(name) }
}
