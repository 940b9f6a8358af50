import type { VariantRow } from '../index/tables.ts'
import type { Digest } from '../oci/digest.ts'
import type { ImageFacts } from '../plugin/facts.ts'
import { type Finding, foreignLibraries, judgeBuild } from './compatibility.ts'
import { factsOfBinary } from './facts.ts'
import { type Host, SYSTEMS } from './host.ts'
import type { Parts } from './parts.ts'
import { findVariants, type VariantFilter } from './variants.ts'

export interface JudgedBuild {
  readonly digest: string
  readonly version: string
  readonly created_at: string
  readonly plugin_kind: string
  readonly file_type: string
  readonly architecture: VariantRow['descriptor']['architecture']
  readonly plugin_version: number
  /** `unknown` where nothing is known to speak against it, and not all that is asked is known. */
  readonly verdict: 'fits' | 'unknown' | 'no'
  /** What speaks against it, and what is not known. */
  readonly reasons: readonly string[]
  readonly unknown: readonly string[]
  readonly needs?: Needs
}

/** What its system must have, asked or not. */
interface Needs {
  readonly libc: ImageFacts['libc']
  /** Beside those of the system; absent where that is not known. */
  readonly libraries?: readonly string[]
  readonly minimum_os?: ImageFacts['minimum_os']
}

export interface Compatibility {
  /** The newest build of this page that fits. */
  readonly best: JudgedBuild | null
  /** Where there is none: the newest that may. */
  readonly perhaps: JudgedBuild | null
  /** Why there is no build at all for that system. */
  readonly reasons: readonly string[]
  /** Newest first, only those for the system that was asked for. */
  readonly builds: readonly JudgedBuild[]
  /** Whether there are builds behind this page. */
  readonly more: boolean
}

/** Judges the builds of a plugin for a host, newest first: at most `limit` of them, for two index reads each. */
export async function compatibleBuilds(
  parts: Parts,
  name: string,
  host: Host,
  skip: number,
  limit: number,
): Promise<Compatibility> {
  const rows = await findVariants(parts.index, name, filterOf(host), skip, limit + 1)
  const builds: JudgedBuild[] = []
  for (const row of rows.slice(0, limit)) builds.push(await judged(parts, row, host))
  const newest = (verdict: JudgedBuild['verdict']) => builds.find(build => build.verdict === verdict) ?? null
  const best = newest('fits')
  return {
    best,
    perhaps: best ? null : newest('unknown'),
    reasons: rows.length === 0 && skip === 0 ? await whyNone(parts, name, host) : [],
    builds,
    more: rows.length > limit,
  }
}

function filterOf({ os, architecture }: Host): VariantFilter {
  return {
    ...(os !== undefined && { fileType: SYSTEMS[os].fileType }),
    ...(architecture !== undefined && { architecture }),
  }
}

async function judged(parts: Parts, row: VariantRow, host: Host): Promise<JudgedBuild> {
  const { digest, created_at, descriptor } = row
  const facts = await factsOfBinary(parts, `sha256:${digest}` as Digest)
  const image = facts?.images.find(
    ({ file_type, architecture }) =>
      file_type === descriptor.file_type && same(architecture, descriptor.architecture),
  )
  const findings = judgeBuild({ descriptor, image }, host)
  const { version, plugin_kind, file_type, architecture, plugin_version } = descriptor
  return {
    ...{ digest, version, created_at, plugin_kind, file_type, architecture, plugin_version },
    verdict: verdictOf(findings),
    reasons: reasonsOf(findings, 'no'),
    unknown: reasonsOf(findings, 'unknown'),
    ...(image && { needs: needsOf(image) }),
  }
}

function needsOf(image: ImageFacts): Needs {
  const { libc, libraries, minimum_os } = image
  return {
    libc,
    ...(libraries && { libraries: foreignLibraries(image) }),
    ...(minimum_os && { minimum_os }),
  }
}

function verdictOf(findings: readonly Finding[]): JudgedBuild['verdict'] {
  if (findings.length === 0) return 'fits'
  return findings.some(({ verdict }) => verdict === 'no') ? 'no' : 'unknown'
}

function reasonsOf(findings: readonly Finding[], verdict: Finding['verdict']): string[] {
  return findings.filter(finding => finding.verdict === verdict).map(({ reason }) => reason)
}

/** In words, with what there is instead. */
async function whyNone({ index }: Parts, name: string, host: Host): Promise<string[]> {
  const exists = async (filter: VariantFilter) => (await findVariants(index, name, filter, 0, 1)).length > 0
  if (!(await exists({}))) return [`no build of ${name} is here`]
  const { os, architecture } = host
  if (os === undefined) return [`no build for ${architecture}`]
  if (!(await exists(filterOf({ os })))) return [`no ${SYSTEMS[os].name} build`]
  return [`no ${SYSTEMS[os].name} build for ${architecture}`]
}

function same(a: unknown, b: unknown): boolean {
  return JSON.stringify(a) === JSON.stringify(b)
}
