import type { Reader } from '../../index/contract.ts'
import { BINARIES, CLAIMED, HOLDERS, LINKS, MANIFESTS, MIRRORED, REFERENCES } from '../../index/tables.ts'
import type { Digest } from '../../oci/digest.ts'
import type { Repository } from '../../oci/name.ts'
import { pages } from '../pages.ts'
import type { Parts } from '../parts.ts'
import { periodOf, type Usage } from './usage.ts'

/** A manifest, or a blob, that mirrors have brought and can bring again. */
export interface MirroredItem {
  readonly kind: 'manifest' | 'blob'
  readonly digest: Digest
  /** In bytes. */
  readonly size: number
  /** The mirrored ones that have it; of a manifest one. */
  readonly repositories: readonly Repository[]
}

/** Before anything was used. */
const NEVER = 0

/** What there is of mirrored repositories, and when it was used. */
export class MirroredContent {
  readonly #parts: Parts
  readonly #usage: Usage

  constructor(parts: Parts, usage: Usage) {
    this.#parts = parts
    this.#usage = usage
  }

  /** All of it: the manifests, then the blobs, each of them once however many repositories hold it. */
  async *items(): AsyncGenerator<MirroredItem> {
    const { index } = this.#parts
    const mirrored = new Set<string>()
    for await (const page of pages(index, MIRRORED, []))
      for (const { key } of page) if (this.#hasUpstream(key[0] as Repository)) mirrored.add(key[0])
    for (const repository of mirrored) yield* this.#manifests(repository as Repository)
    yield* this.#blobs(mirrored)
  }

  /** The period in which it was used last, as it was written down; at the latest when the manifests of it came. */
  async lastUse(item: MirroredItem): Promise<number> {
    const known = await this.#usage.last(item.digest)
    if (known !== undefined) return known
    const period = await this.lastNeed(this.#parts.index, item)
    this.#usage.assume(item.digest, period)
    return period
  }

  /**
   * The same at this very moment, by what stands and falls with it: the manifests that name a blob or bring a plugin,
   * the indexes above them. What a pull that has just begun will ask for is in use by the manifest that it began with.
   */
  async lastNeed(reader: Reader, { kind, digest, repositories }: MirroredItem): Promise<number> {
    const used: number[] = []
    for (const repository of repositories) {
      if (kind === 'manifest') used.push(await this.#needOfManifest(reader, repository, digest))
      else
        for (const table of [REFERENCES, BINARIES])
          for await (const { key } of reader.scan(table, [repository, digest]))
            used.push(await this.#needOfManifest(reader, repository, key[2] as Digest))
    }
    return Math.max((await this.#usage.last(digest)) ?? NEVER, ...used)
  }

  async *#manifests(repository: Repository): AsyncGenerator<MirroredItem> {
    for await (const page of pages(this.#parts.index, MANIFESTS, [repository]))
      for (const { key, row } of page)
        yield { kind: 'manifest', digest: key[1] as Digest, size: row.size, repositories: [repository] }
  }

  async *#blobs(mirrored: ReadonlySet<string>): AsyncGenerator<MirroredItem> {
    const { index } = this.#parts
    let item: { digest: Digest; repositories: Repository[] } | undefined
    for await (const { key } of index.scan(HOLDERS, [])) {
      const [digest, repository] = key as [Digest, Repository]
      if (!mirrored.has(repository)) continue
      if (item?.digest === digest) item.repositories.push(repository)
      else {
        if (item) yield* this.#blob(item)
        item = { digest, repositories: [repository] }
      }
    }
    if (item) yield* this.#blob(item)
  }

  async *#blob(item: { digest: Digest; repositories: Repository[] }): AsyncGenerator<MirroredItem> {
    const [repository = ''] = item.repositories
    const link = await this.#parts.index.get(LINKS, repository, item.digest)
    if (link) yield { kind: 'blob', size: link.size, ...item }
  }

  /** A manifest is needed by the index that names it, and by the plugin that it brings. */
  async #needOfManifest(reader: Reader, repository: Repository, digest: Digest): Promise<number> {
    const related: Digest[] = []
    for await (const { key } of reader.scan(REFERENCES, [repository, digest])) related.push(key[2] as Digest)
    for await (const { key } of reader.scan(CLAIMED, [repository, digest])) related.push(key[2] as Digest)
    const used = await Promise.all(related.map(other => this.#usage.last(other)))
    return Math.max(await this.#useOfItself(reader, repository, digest), ...used.map(one => one ?? NEVER))
  }

  /** Where nothing is known of its use, it was used when it came. */
  async #useOfItself(reader: Reader, repository: Repository, digest: Digest): Promise<number> {
    const used = await this.#usage.last(digest)
    if (used !== undefined) return used
    const row = await reader.get(MANIFESTS, repository, digest)
    return row ? periodOf(BigInt(row.pushed)) : NEVER
  }

  /** What has no upstream any more, such as a restored repository, cannot be fetched again. */
  #hasUpstream(repository: Repository): boolean {
    return this.#parts.mirrors.routes(repository).length > 0
  }
}
