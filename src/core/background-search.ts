import { Batch } from '../index/batch.ts'
import { del, put, type Reader } from '../index/contract.ts'
import { OWED, type OwedRow, type VerdictRow } from '../index/search-tables.ts'
import { MANIFESTS, REFERENCES } from '../index/tables.ts'
import type { Digest } from '../oci/digest.ts'
import { RegistryError } from '../oci/errors.ts'
import type { Repository } from '../oci/name.ts'
import { keepBlob } from './blobs.ts'
import { changeRepositories } from './changes.ts'
import { loadManifest } from './manifest-rows.ts'
import type { Manifests } from './manifests.ts'
import type { Parts } from './parts.ts'
import { isContainerConfig, isSearched, pluginsInLayer } from './recognition.ts'

/** Manifests whose plugins are listed in one turn of a repository. */
const MANIFESTS_PER_TURN = 32

/** Manifests that are looked at while the repository is locked; when they are more, the background looks at all. */
const MANIFESTS_UNDER_LOCK = 64

/** A layer is given up after so many failures that are its own. */
const MOST_FAILURES = 3

/** Milliseconds of rest after a failure, because its cause may last. */
const REST_MS = 1000

type Owed = readonly [repository: Repository, layer: Digest, row: OwedRow]

/**
 * Searches layers for plugins when no request waits for it: those that came after the manifests that name them, and
 * those that a push had no budget for. What is to be done are rows, so it survives a restart and takes no memory.
 * Repositories take turns: one layer of each, then the next one of each.
 */
export class BackgroundSearch {
  readonly #parts: Parts
  readonly #manifests: Manifests
  readonly #report: (error: unknown) => void
  /** The repository whose turn was last. */
  #last: string | undefined
  #running: Promise<void> | undefined
  #woken = false
  #closed = false
  #timer: NodeJS.Timeout | undefined

  /** `report` is called with what fails. */
  constructor(parts: Parts, manifests: Manifests, report: (error: unknown) => void) {
    this.#parts = parts
    this.#manifests = manifests
    this.#report = report
  }

  /** Lets a mirrored repository hold a blob that has come. If manifests there name it as a layer, it is searched. */
  async hold(repository: Repository, digest: Digest, size: number): Promise<void> {
    const looked = await this.#manifests.search.layers.look(digest)
    // Under the lock, so that it sees every manifest that has not seen this blob; see `Manifests.keep`.
    await changeRepositories(this.#parts.index, [repository], async batch => {
      keepBlob(batch, repository, digest, size)
      if (looked && (await isNamed(batch, repository, digest, MANIFESTS_UNDER_LOCK)))
        batch.put(OWED, [repository, digest], {})
    })
    this.wake()
  }

  /** Begins with what there is to do, at a start and when more has come. */
  wake(): void {
    this.#woken = true
    if (this.#closed || this.#running) return
    clearTimeout(this.#timer)
    this.#running = this.#run()
      .catch(error => {
        this.#report(error)
        this.#woken = false
        this.#wakeIn(REST_MS)
      })
      .finally(() => {
        this.#running = undefined
        if (this.#woken) this.wake()
      })
  }

  /** Resolves when nothing is left that can be done now. */
  async settled(): Promise<void> {
    while (this.#running) await this.#running
  }

  /** Resolves when the turn that has begun has ended. */
  async close(): Promise<void> {
    this.#closed = true
    clearTimeout(this.#timer)
    await this.#running
  }

  async #run(): Promise<void> {
    while (!this.#closed) {
      this.#woken = false
      const owed = await this.#next()
      if (!owed) return
      this.#last = owed[0]
      await this.#turn(owed)
    }
  }

  /** The next repository's first layer; of a repository that has no budget left, when it has one again. */
  async #next(): Promise<Owed | undefined> {
    const { latest } = this.#parts.index
    let wait = Number.POSITIVE_INFINITY
    // From the one after the last to the end, then from the beginning.
    for (let after = this.#last, round = 0; round < 2; ) {
      const [entry] = await latest.page(OWED, [], { after, limit: 1 })
      const [repository, layer] = (entry?.key ?? []) as unknown as [Repository, Digest]
      if (!entry) {
        round++
        after = undefined
        continue
      }
      const left = this.#manifests.search.budgets.wait(repository)
      if (left === 0) return [repository, layer, entry.row]
      wait = Math.min(wait, left)
      after = repository
    }
    if (Number.isFinite(wait)) this.#wakeIn(wait)
    return undefined
  }

  #wakeIn(milliseconds: number): void {
    if (this.#closed) return
    clearTimeout(this.#timer)
    this.#timer = setTimeout(() => this.wake(), milliseconds).unref()
  }

  async #turn(owed: Owed): Promise<void> {
    try {
      await this.#search(owed)
    } catch (error) {
      // What the registry or its disk refuses is tried again; what else fails may be the layer's doing.
      if (!(error instanceof RegistryError)) await this.#countFailure(owed)
      throw error
    }
  }

  async #countFailure([repository, layer, row]: Owed): Promise<void> {
    const failures = (row.failures ?? 0) + 1
    const key: [string, string] = [repository, layer]
    const change = failures < MOST_FAILURES ? put(OWED, key, { ...row, failures }) : del(OWED, key)
    await this.#parts.index.apply([change])
  }

  async #search([repository, layer, { after }]: Owed): Promise<void> {
    const { index } = this.#parts
    const verdict = (await isNamed(index, repository, layer)) && (await this.#verdict(repository, layer))
    const { layers } = this.#manifests.search
    try {
      const last = verdict && (await this.#list(repository, layer, verdict, after))
      const batch = new Batch(index)
      layers.put(batch, [layer])
      if (last) batch.put(OWED, [repository, layer], { after: last })
      else batch.del(OWED, [repository, layer])
      await batch.apply()
      layers.forget([layer])
    } catch (error) {
      await layers.remember([layer])
      throw error
    }
  }

  async #verdict(repository: Repository, layer: Digest): Promise<VerdictRow | undefined> {
    const { layers, budgets } = this.#manifests.search
    const known = await layers.known(layer)
    const looked = known ? undefined : await layers.look(layer)
    if (!looked) return known
    const verdict = await layers.search(layer, looked, repository)
    budgets.charge(repository, layers.amplificationOf(looked, verdict))
    return verdict
  }

  /** Lists the layer's plugins for manifests that name it; returns the last one when there are more. */
  async #list(
    repository: Repository,
    layer: Digest,
    verdict: VerdictRow,
    after: string | undefined,
  ): Promise<string | undefined> {
    const { documents, index } = this.#parts
    if (verdict.plugins.length === 0) return undefined
    const limit = MANIFESTS_PER_TURN
    const named = await index.latest.page(REFERENCES, [repository, layer], { after, limit })
    for (const { key } of named) {
      const pushed = await loadManifest(index.latest, documents, repository, key[2] as Digest)
      if (!pushed || !isSearched(pushed.manifest)) continue
      const found = await pluginsInLayer(this.#manifests.search.layers, pushed.manifest, layer, verdict)
      if (found.length > 0) await this.#manifests.list(repository, pushed, found)
    }
    return named.length === limit ? named.at(-1)?.key[2] : undefined
  }
}

/** Whether a manifest that is searched for plugins names the blob, or more than `most` manifests do. */
async function isNamed(
  reader: Reader,
  repository: Repository,
  digest: Digest,
  most = Number.POSITIVE_INFINITY,
): Promise<boolean> {
  let looked = 0
  for await (const { key } of reader.scan(REFERENCES, [repository, digest])) {
    const row = await reader.get(MANIFESTS, repository, key[2])
    if (++looked > most || (row && !isContainerConfig(row.artifactType))) return true
  }
  return false
}
