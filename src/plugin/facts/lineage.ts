import type { Bytes } from '../../lib/bytes.ts'
import type { Export, Image } from '../image.ts'
import type { Attempts } from './attempts.ts'
import { layoutPackages } from './type-layouts.ts'
import { compareVersions } from './version.ts'

/** What a Rust binary was made of. All versions that are in it, oldest first; a crate that left no trace is absent. */
export interface Lineage {
  /** Of memflow and its family, cglue and abi_stable. */
  readonly crates: Readonly<Record<string, readonly string[]>>
  readonly rustc: {
    /** Commits of the compiler, from the paths of its standard library. */
    readonly commits: readonly string[]
    readonly versions: readonly string[]
  }
}

/** The ends of what is looked for, all of one length: `memflow-`, `cglue;`, `/rustc/` and so on. */
const NEEDLES = ['mflow-', 'mflow;', 'cglue-', 'cglue;', 'table-', 'table;', 'rustc/', 'rustc-', 'rsion ']
const BEFORE = 24
const BEHIND = 96
/** The largest debug builds have some thousands. */
const MAX_PLACES = 20_000
const MAX_VERSIONS = 16
const MAX_CRATES = 64

/** Semantic Versioning 2.0.0, without build metadata, which paths of crates do not have. */
const SEMVER = String.raw`(?:0|[1-9]\d{0,5})\.(?:0|[1-9]\d{0,5})\.(?:0|[1-9]\d{0,5})(?:-[0-9A-Za-z.]{1,32})?`

/** Where cargo unpacks a crate, in the places of panics and in debug information. */
const CRATE_PATH = new RegExp(
  String.raw`^[/\\]((?:memflow|cglue|abi_stable)(?:[-_][a-z][a-z0-9]{0,31}){0,4})-(${SEMVER})[/\\]src[/\\]`,
)
/** abi_stable, type_layout/construction.rs, ItemInfo: where the text's end is clear from what stands behind it. */
const PACKAGE = new RegExp(String.raw`^[/\\]?(memflow|cglue|abi_stable);(${SEMVER})(?![0-9A-Za-z.+-])`)
/** rustc names its library so; distributions that build it from a release do not. */
const RUSTC_COMMIT = /^\/rustc\/([0-9a-f]{40})\//
const RUSTC_SOURCE = /^\/rustc-(\d{1,4}\.\d{1,4}\.\d{1,4})[^/]{0,16}\/(?:src\/)?library\//
const RUSTC_VERSION = new RegExp(`^rustc version (${SEMVER})`)

/** The lineage of an image: by its plugins' type layouts, and by texts in its bytes. One pass, at most `MAX_PLACES` places. */
export function lineageOf(image: Image, exports: readonly Export[], attempts: Attempts): Lineage {
  const crates = new Map<string, Set<string>>()
  const commits = new Set<string>()
  const versions = new Set<string>()
  const add = (crate: string, version: string) => {
    const known = crates.get(crate) ?? new Set()
    if (crates.size < MAX_CRATES || crates.has(crate)) crates.set(crate, known)
    if (known.size < MAX_VERSIONS) known.add(version)
  }
  for (const [crate, version] of attempts.make(() => layoutPackages(image, exports)) ?? [])
    add(crate, version)
  const places = image.bytes.search(NEEDLES, MAX_PLACES)
  if (places.length === MAX_PLACES)
    attempts.note('too many places that may name crates: not all were looked at')
  for (const text of textsAt(image.bytes, places)) {
    const [, crate, version] = CRATE_PATH.exec(text) ?? PACKAGE.exec(text) ?? []
    if (crate !== undefined && version !== undefined) add(crate, version)
    const commit = RUSTC_COMMIT.exec(text)?.[1]
    if (commit !== undefined && commits.size < MAX_VERSIONS) commits.add(commit)
    const compiler = (RUSTC_SOURCE.exec(text) ?? RUSTC_VERSION.exec(text))?.[1]
    if (compiler !== undefined && versions.size < MAX_VERSIONS) versions.add(compiler)
  }
  return {
    crates: Object.fromEntries(
      [...crates].sort(([a], [b]) => (a < b ? -1 : 1)).map(([crate, found]) => [crate, sorted(found)]),
    ),
    rustc: { commits: [...commits].sort(), versions: sorted(versions) },
  }
}

/** What may begin at each of these places: from the word that the needle ends, with what stands before and behind it. */
function* textsAt(bytes: Bytes, places: readonly number[]): Generator<string> {
  for (const place of places) {
    const start = Math.max(0, place - BEFORE)
    const text = bytes.latin1(start, BEFORE + BEHIND)
    const begin = /[/\\]?(?:memflow|cglue|abi_stable|rustc|rustc version)$/
    const at = begin.exec(text.slice(0, place - start + 5))?.index
    if (at !== undefined) yield text.slice(at)
  }
}

function sorted(versions: Iterable<string>): string[] {
  return [...versions].sort((a, b) => compareVersions(a, b) || (a < b ? -1 : 1))
}
