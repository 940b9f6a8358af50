import type { Libc } from '../facts.ts'
import type { Note } from './elf-notes.ts'
import type { VersionNeed } from './elf-versions.ts'
import { compareVersions } from './version.ts'

export interface LibcSigns {
  readonly libraries: readonly string[]
  readonly versions: readonly VersionNeed[]
  readonly interpreter: string | undefined
  readonly notes: readonly Note[]
}

/** Versions that are no numbers, by the release of glibc that brought them (its NEWS). */
const NAMED_GLIBC: Readonly<Record<string, string>> = { GLIBC_ABI_DT_RELR: '2.36' }

const GLIBC = /^(libc\.so\.6(\.1)?|ld-linux.*\.so\.\d|ld64\.so\.\d)$/
const MUSL = /^(libc\.musl-|ld-musl-)/

/** Which C library an ELF file is linked with, and from which version on. A bare `libc.so` may be any: unknown. */
export function elfLibc({ libraries, versions, interpreter, notes }: LibcSigns): Libc {
  const floors = glibcFloors(versions)
  if (Object.keys(floors).length > 0 || libraries.some(name => GLIBC.test(name))) {
    const floor = Object.values(floors).sort(compareVersions).at(-1)
    return { family: 'glibc', ...(floor !== undefined && { floor, floors }) }
  }
  if (libraries.some(name => MUSL.test(name)) || interpreter?.includes('/ld-musl-')) return { family: 'musl' }
  // Android's libc.so has one version, LIBC; its binaries have a note of that name.
  if (versions.some(({ version }) => version === 'LIBC') || notes.some(({ name }) => name === 'Android')) {
    return { family: 'bionic' }
  }
  return { family: libraries.some(name => /^libc\./.test(name)) ? 'unknown' : 'none' }
}

/** The highest GLIBC_x.y of each library. */
function glibcFloors(versions: readonly VersionNeed[]): Record<string, string> {
  const floors = new Map<string, string>()
  for (const { library, version } of versions) {
    const needed = NAMED_GLIBC[version] ?? /^GLIBC_(\d{1,4}(?:\.\d{1,4}){1,3})$/.exec(version)?.[1]
    if (needed === undefined) continue
    const known = floors.get(library)
    if (known === undefined || compareVersions(known, needed) < 0) floors.set(library, needed)
  }
  return Object.fromEntries([...floors].sort(([a], [b]) => (a < b ? -1 : 1)))
}
