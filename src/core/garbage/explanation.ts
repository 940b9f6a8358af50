import type { Reader } from '../../index/contract.ts'
import {
  BINARIES,
  CLAIMS,
  COMPOSED,
  HOLDERS,
  LINKS,
  MANIFESTS,
  MIRRORED,
  type Noted,
  REFERENCES,
  REPOSITORIES,
  TAGGED,
} from '../../index/tables.ts'
import type { Digest } from '../../oci/digest.ts'
import { pages } from '../pages.ts'
import type { GarbageParts } from './garbage-rules.ts'

/** One thing that keeps a blob or manifest, or does not. */
export interface Reason {
  readonly keeps: boolean
  /** Undefined where it is about the bytes, which are no repository's own. */
  readonly repository?: string
  readonly why: string
}

export interface Explanation {
  readonly digest: Digest
  readonly kept: boolean
  /** Of the blob; undefined where the store has none. */
  readonly size?: number
  readonly reasons: readonly Reason[]
}

/** More of the same kind in one repository are only said to be there. */
const MOST = 5

/** What keeps a blob or manifest, or why it goes. Undefined where there is none of that digest. */
export async function explain(parts: GarbageParts, digest: Digest): Promise<Explanation | undefined> {
  const { index, store } = parts
  const blob = await store.stat(digest)
  const reasons = [...(await asManifest(parts, digest)), ...(await asBlob(parts, digest))]
  if (blob && reasons.length === 0) {
    const [claim] = await index.page(CLAIMS, [digest], { limit: 1 })
    reasons.push(
      claim
        ? { keeps: true, repository: claim.key[1], why: `manifest ${claim.key[2]} brings it as a plugin` }
        : { keeps: false, why: `no repository holds it; ${goes(parts, blob.modified.getTime())}` },
    )
  }
  if (reasons.length === 0) return undefined
  if (!blob && (await holders(index, digest)).length > 0) {
    reasons.push({ keeps: false, why: 'the store has lost its bytes; pushing them again heals it' })
  }
  return { digest, kept: reasons.some(({ keeps }) => keeps), ...(blob && { size: blob.size }), reasons }
}

async function asBlob(parts: GarbageParts, digest: Digest): Promise<Reason[]> {
  const reasons: Reason[] = []
  for (const repository of await holders(parts.index, digest)) {
    const link = await parts.index.get(LINKS, repository, digest)
    const needed = await references(parts.index, repository, digest)
    reasons.push(...(needed.length > 0 ? needed : [unneeded(parts, repository, link ?? {})]))
  }
  return reasons
}

async function asManifest(parts: GarbageParts, digest: Digest): Promise<Reason[]> {
  const { index } = parts
  const reasons: Reason[] = []
  for await (const page of pages(index, REPOSITORIES, [])) {
    for (const { key } of page) {
      const [repository] = key
      if (!(await index.get(MANIFESTS, repository, digest))) continue
      const tags = await tagsOf(index, repository, digest)
      const composed = await index.get(COMPOSED, repository, digest)
      if (!composed) {
        const how = await howItCame(parts, repository)
        const why = `a manifest that was ${how.came}${tags && `, tagged ${tags}`}: it stays until it is ${how.goes}`
        reasons.push({ keeps: true, repository, why })
        continue
      }
      const needed = await references(index, repository, digest)
      if (tags) needed.unshift({ keeps: true, repository, why: `the registry composed it for ${tags}` })
      reasons.push(...(needed.length > 0 ? needed : [unneeded(parts, repository, composed)]))
    }
  }
  return reasons
}

async function howItCame({ index, policy }: GarbageParts, repository: string) {
  if (!(await index.get(MIRRORED, repository))) return { came: 'pushed', goes: 'deleted' }
  const limited = Number.isFinite(policy.mirrorMaxSize)
  return { came: 'pulled through a mirror', goes: limited ? 'deleted, or evicted' : 'deleted' }
}

/** The manifests that name it, or bring it as a plugin. */
async function references(reader: Reader, repository: string, digest: Digest): Promise<Reason[]> {
  const reasons: Reason[] = []
  for (const [table, does] of [
    [REFERENCES, 'references it'],
    [BINARIES, 'brings it as a plugin'],
  ] as const) {
    const rows = await reader.page(table, [repository, digest], { limit: MOST + 1 })
    for (const { key } of rows.slice(0, MOST)) {
      const tags = await tagsOf(reader, repository, key[2])
      reasons.push({
        keeps: true,
        repository,
        why: `manifest ${key[2]}${tags && ` (${tags})`} ${does}`,
      })
    }
    if (rows.length > MOST) reasons.push({ keeps: true, repository, why: 'and more manifests' })
  }
  return reasons
}

function unneeded(parts: GarbageParts, repository: string, { unused }: Noted): Reason {
  const why = unused
    ? `nothing needs it since ${time(Number(BigInt(unused) / 1_000_000n))}; ${goes(parts, Number(BigInt(unused) / 1_000_000n))}`
    : 'nothing needs it; its grace period begins with the next collection'
  return { keeps: false, repository, why }
}

function goes({ policy }: GarbageParts, since: number): string {
  return `it goes with the first collection after ${time(since + policy.gcGrace)}`
}

function time(millis: number): string {
  return `${new Date(millis).toISOString().slice(0, 19)}Z`
}

async function holders(reader: Reader, digest: Digest): Promise<string[]> {
  return (await reader.page(HOLDERS, [digest])).map(({ key }) => key[1])
}

async function tagsOf(reader: Reader, repository: string, manifest: string): Promise<string> {
  const rows = await reader.page(TAGGED, [repository, manifest], { limit: MOST + 1 })
  return [...rows.slice(0, MOST).map(({ key }) => key[2]), ...(rows.length > MOST ? ['…'] : [])].join(', ')
}
