import type { Index, Reader, Table } from '../index/contract.ts'
import { describeKey, encodeKey } from '../index/keys.ts'
import { VERDICTS, type VerdictRow } from '../index/search-tables.ts'
import {
  COMPLETE,
  COMPOSED,
  DERIVED,
  FACTS,
  type FactsRow,
  HOLDERS,
  LINKS,
  MANIFEST_BYTES,
  MANIFESTS,
  MIRRORED,
  TAGS,
  TRUTH,
} from '../index/tables.ts'
import type { Repository } from '../oci/name.ts'
import { ANALYZER_VERSION } from '../plugin/facts.ts'
import type { BlobInfo } from '../store/contract.ts'
import { type Difference, differences } from './differences.ts'
import { rulesOf } from './layer-search.ts'
import type { Parts } from './parts.ts'
import { missingReferences } from './references.ts'
import { type LeftOut, type Reindexed, reindex } from './reindex.ts'
import { readManifest } from './stored-manifests.ts'

/** Something that is wrong. */
export interface Finding {
  /** What, where, and what it means. */
  readonly text: string
  /** Whether an index made anew has it no more: it is right there, or left out because it is lost. */
  readonly mended: 'right' | 'left out' | undefined
}

export interface Checked {
  /** The index as it is. */
  readonly index: Reader
  /** What nothing else tells: of the journal, or of the index. */
  readonly truth: Reader
  /** Empty; becomes what the index should be. */
  readonly target: Index
}

/** What is wrong where a table is, see `tables.ts`. */
const MEANING: Record<string, string> = {
  repository: 'the catalog is wrong',
  mirrored: 'pulls ask the upstream where they should not, or do not where they should',
  link: 'the repository has a blob too many, or too few',
  holder: 'mounts and garbage collection go wrong',
  manifest: 'the manifest is not served as it was pushed',
  composed: 'garbage collection goes wrong',
  tag: 'the tag is not where it was pushed to',
  tagged: 'deleting the manifest does not delete the tag',
  reference: 'garbage collection goes wrong',
  referrer: 'the list of referrers is wrong',
  'referrer-type': 'the list of referrers is wrong',
  claim: 'the plugin is listed wrongly',
  claimed: 'deleting the manifest does not delete the plugin',
  binary: 'tags of short digests and garbage collection go wrong',
  build: 'the composed tags go wrong',
  file: 'GET /files/{digest} is wrong',
  facts: 'GET /files/{digest}/analysis is wrong',
  variant: 'GET /plugins/{name} is wrong',
  'variant-digest': 'GET /plugins/{name}?digest= is wrong',
  name: 'GET /plugins is wrong',
  verdict: 'plugins in this layer are listed wrongly',
}

const KIND = { missing: 'missing', surplus: 'one too many', other: 'not what it should be' }

/** Checks an index against its truth and the store. What it should be is in the target then. */
export class Fsck {
  readonly #parts: Omit<Parts, 'index'>
  readonly #onFinding: (finding: Finding) => void
  /** Encoded keys of rows that were told of. */
  readonly #told = new Set<string>()

  constructor(parts: Omit<Parts, 'index'>, onFinding: (finding: Finding) => void) {
    this.#parts = parts
    this.#onFinding = onFinding
  }

  /** A row cannot be read. May come at any time while the index is read. */
  damagedRow(key: string): void {
    this.#tell(key, `row ${describeKey(key)}: damaged; what needs it is answered with an error`)
  }

  /** The journal lacks something. */
  damagedJournal(damage: string): void {
    this.#onFinding({ text: `${damage}; a lost index could not be made anew`, mended: 'right' })
  }

  async run({ index, truth, target }: Checked): Promise<Reindexed> {
    const complete = (await index.get(COMPLETE, 'store')) !== undefined
    const parts = { ...this.#parts, index: target }
    const done = await reindex(truth, target, parts, {
      before: index,
      complete,
      anew: true,
      onLeftOut: leftOut => this.#leftOut(leftOut),
    })
    await this.#manifests(index)
    for (const table of [...TRUTH, ...DERIVED, VERDICTS]) await this.#compare(table, index, target)
    await this.#references(target)
    await this.#blobs(target)
    if (!complete) this.#lasting('the index may not know what blobs are needed for; garbage is not collected')
    return done
  }

  #leftOut({ what, repository, reference, why }: LeftOut): void {
    const { prefix } = what === 'tag' ? TAGS : MANIFESTS
    const name = repository + (what === 'tag' ? ':' : '@') + reference
    this.#tell(encodeKey(prefix, [repository, reference]), unpullable(`${what} ${name}`, why), 'left out')
  }

  async #manifests(index: Reader): Promise<void> {
    for await (const { key, row } of index.scan(MANIFESTS, [])) {
      const pushed = await readManifest(index, ...key, row.mediaType)
      if (typeof pushed === 'string')
        this.#tell(encodeKey(MANIFESTS.prefix, key), unpullable(`manifest ${key.join('@')}`, pushed))
    }
  }

  async #compare(table: Table<readonly string[], unknown>, index: Reader, target: Reader): Promise<void> {
    const rules = rulesOf(this.#parts)
    // Bytes are what their digest tells, or were told of.
    if (table.prefix === MANIFEST_BYTES.prefix) return
    for await (const { key, kind, row } of differences(table, index, target)) {
      if (table.prefix === FACTS.prefix && isOutdated(kind, row)) continue
      // One that is not there is found out again, and one by other rules counts as none.
      if (table.prefix === VERDICTS.prefix && (kind !== 'other' || (row as VerdictRow).rules !== rules))
        continue
      const encoded = encodeKey(table.prefix, key)
      this.#tell(encoded, `${describeKey(encoded)}: ${KIND[kind]}; ${MEANING[table.prefix]}`)
    }
  }

  /** Whether repositories have what their manifests name. What a mirror has not pulled yet is not missing. */
  async #references(target: Reader): Promise<void> {
    if (this.#parts.policy.sparseManifests) return
    for await (const { key, row } of target.scan(MANIFESTS, [])) {
      const [repository, digest] = key
      if ((await target.get(MIRRORED, repository)) || (await target.get(COMPOSED, ...key))) continue
      const pushed = await readManifest(target, repository, digest, row.mediaType)
      if (typeof pushed === 'string') continue
      const missing = await missingReferences(target, repository as Repository, pushed.manifest)
      for (const needed of missing)
        this.#lasting(
          `manifest ${repository}@${digest}: it needs ${needed.digest}, which ${repository} has not; push it`,
        )
    }
  }

  /** Whether the store has what repositories hold. */
  async #blobs(target: Reader): Promise<void> {
    const blobs = this.#parts.store.list()[Symbol.asyncIterator]()
    let { value: blob } = (await blobs.next()) as { value: BlobInfo | undefined }
    let told: string | undefined
    // Both in the order of their digests.
    for await (const { key } of target.scan(HOLDERS, [])) {
      const [digest, repository] = key
      while (blob && blob.digest < digest) blob = (await blobs.next()).value
      const link = await target.get(LINKS, repository, digest)
      if (digest === told || (blob?.digest === digest && blob.size === link?.size)) continue
      told = digest
      this.#lasting(
        blob?.digest === digest
          ? `blob ${digest}: its file has ${blob.size} bytes, and ${repository} holds ${link?.size}; memflow-registry scrub tells which is right`
          : `blob ${digest}: its file is missing, and ${repository} holds it; push it again`,
      )
    }
    await blobs.return?.()
  }

  /** A row that is not as it should be, once. */
  #tell(key: string, text: string, mended: Finding['mended'] = 'right'): void {
    if (this.#told.has(key)) return
    this.#told.add(key)
    this.#onFinding({ text, mended })
  }

  /** What no index can mend. */
  #lasting(text: string): void {
    this.#onFinding({ text, mended: undefined })
  }
}

function unpullable(what: string, why: string): string {
  return `${what}: ${why}; it cannot be pulled`
}

/** What another version of the analyzer has read is read anew when somebody asks. */
function isOutdated(kind: Difference['kind'], row: unknown): boolean {
  return kind === 'other' && (row as FactsRow).analyzer !== ANALYZER_VERSION
}
