import { setTimeout as sleep } from 'node:timers/promises'
import { UPSTREAM_LISTS } from '../../index/upstream-tables.ts'
import { ExpiringMap } from '../../lib/expiring-map.ts'
import { SingleFlight } from '../../lib/single-flight.ts'
import { RegistryError } from '../../oci/errors.ts'
import { RemoteError } from '../../remote/error.ts'
import type { Parts } from '../parts.ts'
import type { Caller } from '../reads.ts'
import { FAILED_COST } from './client-rates.ts'
import type { MemflowMirror, MirrorRules } from './mirrors.ts'
import { applyInSteps, namesChanges, variantsChanges } from './upstream-rows.ts'

/** Milliseconds that a request waits for an upstream if there is an answer without it. */
const PATIENCE_MS = 500

/** Names that upstreams do not have are remembered up to so many: a few megabytes. */
const MOST_UNKNOWN = 10_000

/** The same of lists that were refused, which come with a reason. */
const MAX_REFUSED = 1000

/** How good an upstream's list is that is kept. */
export interface ListState {
  /** Whether the upstream has ever said what is on it. */
  readonly known: boolean
  /** Why the upstream was not heard in time. */
  readonly fault?: Error
  /** Seconds since it was heard. */
  readonly age?: number
}

/**
 * The lists of memflow upstreams, kept in the index for as long as their word is good, and longer where they give none.
 * Only what is asked for is fetched, once for all who ask. Who has an answer without it does not wait long,
 * and not at all for an upstream that has just failed.
 */
export class UpstreamLists {
  readonly #parts: Parts
  readonly #report: (error: unknown) => void
  readonly #renewals = new SingleFlight<Error | undefined>()
  readonly #unknown = new ExpiringMap<true>(MOST_UNKNOWN)
  /** Lists that were refused, which would come again. */
  readonly #refused = new ExpiringMap<Error>(MAX_REFUSED)
  /** By mirror: why it was not heard when it was asked last. */
  readonly #faults = new Map<string, Error>()

  /** `report` hears of what fails for a reason that is not the upstream's. */
  constructor(parts: Parts, report: (error: unknown) => void) {
    this.#parts = parts
    this.#report = report
  }

  /**
   * Renews an upstream's list where it is time to: that of a plugin's variants, or under the name '' that of all names.
   * `answerable`: whether there is an answer without it.
   */
  async renew(
    mirror: MemflowMirror,
    name: string,
    answerable: () => Promise<boolean>,
    caller?: Caller,
  ): Promise<ListState> {
    const { index, clock } = this.#parts
    const { rules } = mirror
    const list = `${rules.name} ${name}`
    if (this.#unknown.get(list)) return { known: true }
    const row = await index.get(UPSTREAM_LISTS, rules.name, name)
    const age = row && Number(clock.now() - BigInt(row.checked)) / 1e6
    // From the future if the clock was put back: then nothing is known of its age.
    if (age !== undefined && age >= 0 && age < rules.tagTtl) return { known: true }
    const refused = this.#refused.get(list) ?? this.#refusalOf(caller)
    const renew = () => this.#renewals.run(list, () => this.#renew(mirror, name, list, caller))
    const wait = async () => (row || (await answerable()) ? this.#soon(rules, renew()) : renew())
    const fault = refused ?? (await wait())
    if (!fault) return { known: true }
    return {
      known: row !== undefined,
      fault,
      ...(age !== undefined && { age: Math.max(0, Math.floor(age / 1000)) }),
    }
  }

  /** When no list is being renewed. */
  async settled(): Promise<void> {
    await this.#renewals.settled()
  }

  /** Why the caller may not cause a request to an upstream, if it may not. */
  #refusalOf(caller: Caller | undefined): Error | undefined {
    try {
      this.#parts.mirrors.admit(caller)
      return undefined
    } catch (error) {
      return error as Error
    }
  }

  /** What comes of the renewal, where it comes soon. */
  async #soon(
    { name: mirror, patience = PATIENCE_MS }: MirrorRules,
    renewal: Promise<Error | undefined>,
  ): Promise<Error | undefined> {
    const failed = this.#faults.get(mirror)
    if (failed) return failed
    const late = new RemoteError(mirror, 'timeout', `${mirror}: it has not answered yet`)
    const fault = await Promise.race([renewal, sleep(patience, late, { ref: false })])
    if (fault === late) this.#faults.set(mirror, late)
    return fault
  }

  /** Never rejects: what goes wrong is the outcome. */
  async #renew(
    { rules, upstream }: MemflowMirror,
    name: string,
    list: string,
    caller: Caller | undefined,
  ): Promise<Error | undefined> {
    const { index, clock, mirrors } = this.#parts
    try {
      if (name === '') {
        const names = await mirrors.charged(caller, () => upstream.names())
        await applyInSteps(index, await namesChanges(this.#parts, rules.name, names, clock.now()))
      } else {
        const variants = await mirrors.charged(caller, () => upstream.variants(name))
        await applyInSteps(index, await variantsChanges(this.#parts, rules.name, name, variants, clock.now()))
        if (variants.length === 0) {
          this.#unknown.set(list, true, rules.negativeTtl)
          mirrors.charge(caller, FAILED_COST - 1)
        }
      }
      this.#faults.delete(rules.name)
      return undefined
    } catch (error) {
      if (!(error instanceof RemoteError || error instanceof RegistryError)) this.#report(error)
      const refused = error instanceof RemoteError && error.refused
      if (refused) this.#refused.set(list, error, rules.negativeTtl)
      else this.#faults.set(rules.name, error as Error)
      return error as Error
    }
  }
}
