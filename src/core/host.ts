import type { Architecture, FileType } from '../plugin/descriptor.ts'

/** The system and the program that are to load a plugin. What is absent was not told, and nothing is judged by it. */
export interface Host {
  readonly os?: Os
  readonly architecture?: Extract<Architecture, string>
  /** The memflow ABI number. */
  readonly abi?: number
  /** The version of the memflow crate in the program. */
  readonly memflow?: string
  readonly libc?: 'glibc' | 'musl'
  readonly glibc?: string
  /** Libraries that are there beside those of the system. */
  readonly libraries?: readonly string[]
}

/** memflow 0.2.4, plugins/util.rs, plugin_file_type: a program looks for one type of files only. */
export const SYSTEMS = {
  linux: { name: 'Linux', fileType: 'elf' },
  windows: { name: 'Windows', fileType: 'pe' },
  macos: { name: 'macOS', fileType: 'mach' },
} as const satisfies Record<string, { name: string; fileType: FileType }>

export type Os = keyof typeof SYSTEMS

/** What Go (GOOS), `uname -s` and people call them, in lower case. */
const OS_NAMES: ReadonlyMap<string, Os> = new Map([
  ['linux', 'linux'],
  ['windows', 'windows'],
  ['windows_nt', 'windows'],
  ['darwin', 'macos'],
  ['macos', 'macos'],
])

/** What memflow, Go (GOARCH), `uname -m` and Debian call them, in lower case. */
const ARCHITECTURE_NAMES: ReadonlyMap<string, Extract<Architecture, string>> = new Map([
  ...(['x86_64', 'amd64', 'x64'] as const).map(name => [name, 'x86_64'] as const),
  ...(['x86', '386', 'i386', 'i486', 'i586', 'i686'] as const).map(name => [name, 'x86'] as const),
  ...(['arm64', 'aarch64'] as const).map(name => [name, 'arm64'] as const),
  ...(['arm', 'armv6l', 'armv7', 'armv7l', 'armhf'] as const).map(name => [name, 'arm'] as const),
])

export const KNOWN_OS = [...OS_NAMES.keys()]
export const KNOWN_ARCHITECTURES = [...ARCHITECTURE_NAMES.keys()]

/** Undefined for a name that is not in `KNOWN_OS`; upper and lower case are the same. */
export function parseOs(name: string): Os | undefined {
  return OS_NAMES.get(name.toLowerCase())
}

/** The same for `KNOWN_ARCHITECTURES`. */
export function parseArchitecture(name: string): Extract<Architecture, string> | undefined {
  return ARCHITECTURE_NAMES.get(name.toLowerCase())
}
