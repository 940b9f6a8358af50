import type { PluginDescriptor } from '../plugin/descriptor.ts'
import { compareVersions } from '../plugin/facts/version.ts'
import type { ImageFacts } from '../plugin/facts.ts'
import { type Host, SYSTEMS } from './host.ts'
import { type MemflowRelease, releaseOf } from './releases.ts'
import { isOfSystem } from './system-libraries.ts'

/** One build of a plugin, as far as it is known. */
export interface Build {
  readonly descriptor: PluginDescriptor
  /** Undefined where its facts could not be read. */
  readonly image: ImageFacts | undefined
}

/** What speaks against a build, in words; `unknown` where it only may. */
export interface Finding {
  readonly verdict: 'no' | 'unknown'
  readonly reason: string
}

interface Rule {
  readonly name: string
  /** Undefined where the rule has nothing against the build, or the host did not say what it goes by. */
  judge(build: Build, host: Host): Finding | undefined
}

/** What must hold for a plugin to be loaded. Where each rule comes from: docs/compatibility.md, by these names. */
export const RULES: readonly Rule[] = [
  {
    name: 'operating system',
    judge: ({ descriptor }, { os }) => {
      if (os === undefined || SYSTEMS[os].fileType === descriptor.file_type) return undefined
      const built = Object.values(SYSTEMS).find(({ fileType }) => fileType === descriptor.file_type)
      return no(`is a build for ${built?.name}, not for ${SYSTEMS[os].name}`)
    },
  },
  {
    name: 'architecture',
    judge: ({ descriptor }, { architecture }) => {
      if (architecture === undefined || architecture === descriptor.architecture) return undefined
      const built = descriptor.architecture
      return no(
        `is built for ${typeof built === 'string' ? built : `machine ${built.unknown}`}, not for ${architecture}`,
      )
    },
  },
  {
    name: 'memflow ABI',
    judge: ({ descriptor }, { abi, memflow }) => {
      const built = descriptor.plugin_version
      if (abi !== undefined && abi !== built) return no(`has the memflow ABI ${built}, not ${abi}`)
      const release = memflow === undefined ? undefined : releaseOf(memflow)
      if (!release || release.abi === built) return undefined
      return no(`has the memflow ABI ${built}, memflow ${memflow} loads ABI ${release.abi} only`)
    },
  },
  {
    name: 'memflow release',
    judge: ({ image }, { memflow }) => {
      if (memflow === undefined) return undefined
      if (compareVersions(memflow, '0.2') < 0) {
        return image?.exports.includes('MEMFLOW_CONNECTOR')
          ? unknown(
              `exports MEMFLOW_CONNECTOR as plugins for memflow ${memflow} do; more is not known about them`,
            )
          : no(
              `memflow ${memflow} loads plugins by the export MEMFLOW_CONNECTOR, which this build does not have`,
            )
      }
      return releaseOf(memflow)
        ? undefined
        : unknown(`memflow ${memflow} is not in this registry's table: what it loads is not known`)
    },
  },
  { name: 'memflow crate', judge: byRelease(judgeMemflow) },
  { name: 'cglue', judge: byRelease(judgeCglue) },
  { name: 'abi_stable', judge: byRelease(judgeAbiStable) },
  { name: 'exports', judge: byRelease(judgeExports) },
  { name: 'C library', judge: judgeLibc },
  {
    name: 'libraries',
    judge: ({ image, descriptor }, { libraries }) => {
      if (libraries === undefined) return undefined
      if (!image?.libraries) return unknown('which libraries it needs is not known')
      const known = (name: string) => (descriptor.file_type === 'pe' ? name.toLowerCase() : name)
      const there = new Set(libraries.map(known))
      const missing = foreignLibraries(image).filter(name => !there.has(known(name)))
      return missing.length === 0 ? undefined : no(`needs ${missing.join(', ')}`)
    },
  },
]

/** What the rules have against a build on that host; nothing where it fits. */
export function judgeBuild(build: Build, host: Host): Finding[] {
  return RULES.flatMap(rule => rule.judge(build, host) ?? [])
}

/** The libraries that it is known to need, without those that every system has. */
export function foreignLibraries(image: ImageFacts): string[] {
  return (image.libraries ?? []).filter(name => !isOfSystem(name, image))
}

type ReleaseRule = (image: ImageFacts | undefined, release: MemflowRelease) => Finding | undefined

function byRelease(judge: ReleaseRule): Rule['judge'] {
  return ({ image }, { memflow }) => {
    const release = memflow === undefined ? undefined : releaseOf(memflow)
    return release && judge(image, release)
  }
}

/** abi_stable compares packages by their leading number that is not 0. Within 0.2 memflow keeps the interface. */
function judgeMemflow(image: ImageFacts | undefined, { version }: MemflowRelease): Finding | undefined {
  const built = image?.lineage.crates.memflow ?? []
  if (built.length === 0) return unknown('which memflow it was built with is not in the file')
  return judgeSeries('memflow', built, version, `memflow ${version}`)
}

function judgeCglue(image: ImageFacts | undefined, { version, cglue }: MemflowRelease): Finding | undefined {
  const built = image?.lineage.crates.cglue ?? []
  if (built.length === 0) return unknown('which cglue it was built with is not in the file')
  const words = `built with cglue ${built.join(' and ')}`
  if (!cglue.startsWith('=')) {
    return unknown(
      `${words}, memflow ${version} takes any cglue ${cglue}: it must be of the same series in your program`,
    )
  }
  const pinned = cglue.slice(1)
  const series = judgeSeries('cglue', built, pinned, `memflow ${version} pins cglue ${pinned}`)
  if (series || built.includes(pinned)) return series
  return unknown(
    `${words}, memflow ${version} pins cglue ${pinned}: whether the types are alike shows when it is loaded`,
  )
}

function judgeAbiStable(
  image: ImageFacts | undefined,
  { version, abi_stable }: MemflowRelease,
): Finding | undefined {
  const built = image?.lineage.crates.abi_stable ?? []
  if (built.length === 0) return unknown('which abi_stable it was built with is not in the file')
  return judgeSeries(
    'abi_stable',
    built,
    abi_stable.slice(1),
    `memflow ${version} has abi_stable ${abi_stable}`,
  )
}

/** Versions of one series, 0.2 or 1, count as compatible: abi_stable 0.10, sabi_types/version.rs, is_loosely_compatible. */
function judgeSeries(
  crate: string,
  built: readonly string[],
  wanted: string,
  host: string,
): Finding | undefined {
  const fitting = built.filter(version => seriesOf(version) === seriesOf(wanted))
  if (fitting.length === built.length) return undefined
  const words = `built with ${crate} ${built.join(' and ')}, ${host}`
  return fitting.length === 0 ? no(words) : unknown(words)
}

function judgeExports(
  image: ImageFacts | undefined,
  { version, finds }: MemflowRelease,
): Finding | undefined {
  if (image?.file_type !== 'elf') return undefined
  if (finds === 'symtab') {
    if (image.stripped === undefined) return unknown('whether it is stripped is not known')
    return image.stripped
      ? no(`is stripped: memflow ${version} looks for plugins in .symtab only`)
      : undefined
  }
  return image.section_headers === false
    ? unknown(
        `has no section headers, by which memflow ${version} finds relocations: it may not see the plugin`,
      )
    : undefined
}

function judgeLibc({ image, descriptor }: Build, { libc, glibc }: Host): Finding | undefined {
  if (libc === undefined || descriptor.file_type !== 'elf') return undefined
  if (!image || image.libc.family === 'unknown') return unknown('which C library it needs is not known')
  const { family, floor } = image.libc
  if (family === 'none') return undefined
  if (family !== libc)
    return no(`is linked with ${family}${floor === undefined ? '' : ` ${floor}`}, not with ${libc}`)
  if (glibc === undefined) return undefined
  if (floor === undefined) return unknown(`needs ${family}; from which version on is not in the file`)
  return compareVersions(floor, glibc) > 0 ? no(`needs glibc ${floor}`) : undefined
}

/** The numbers up to the first that is not 0. */
function seriesOf(version: string): string {
  return /^(?:0\.)*\d+/.exec(version)?.[0] ?? version
}

function no(reason: string): Finding {
  return { verdict: 'no', reason }
}

function unknown(reason: string): Finding {
  return { verdict: 'unknown', reason }
}
