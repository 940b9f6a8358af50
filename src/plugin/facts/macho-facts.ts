import type { Bytes } from '../../lib/bytes.ts'
import type { FormatFacts, LibcFamily } from '../facts.ts'
import { loadCommands, pointerSizeOf } from '../macho-commands.ts'
import type { Attempts } from './attempts.ts'
import { libraryNames, readName } from './text.ts'

// <mach-o/loader.h>.

const LC_SYMTAB = 0x2
const LC_DYSYMTAB = 0xb
const LC_LOAD_DYLIB = 0xc
const LC_UUID = 0x1b
const LC_CODE_SIGNATURE = 0x1d
const LC_LAZY_LOAD_DYLIB = 0x20
const LC_BUILD_VERSION = 0x32
const LC_LOAD_WEAK_DYLIB = 0x80000018
const LC_REEXPORT_DYLIB = 0x8000001f
const LC_LOAD_UPWARD_DYLIB = 0x80000023
const NEEDED: readonly number[] = [LC_LOAD_DYLIB, LC_REEXPORT_DYLIB, LC_LOAD_UPWARD_DYLIB]
const OPTIONAL: readonly number[] = [LC_LOAD_WEAK_DYLIB, LC_LAZY_LOAD_DYLIB]

/** LC_VERSION_MIN_MACOSX and its kin, from before LC_BUILD_VERSION. */
const VERSION_MIN: ReadonlyMap<number, string> = new Map([
  [0x24, 'macos'],
  [0x25, 'ios'],
  [0x2f, 'tvos'],
  [0x30, 'watchos'],
])

/** PLATFORM_MACOS and so on, from 1. */
const PLATFORMS = [
  ...['macos', 'ios', 'tvos', 'watchos', 'bridgeos', 'mac catalyst', 'ios simulator', 'tvos simulator'],
  ...['watchos simulator', 'driverkit', 'visionos', 'visionos simulator'],
]

/** TOOL_CLANG and so on, from 1. */
const TOOLS = ['clang', 'swift', 'ld', 'lld']
const MAX_TOOLS = 16

const MH_DYLIB = 6
const MH_BUNDLE = 8
const MH_ALLOW_STACK_EXECUTION = 0x20000
const MH_PIE = 0x200000
const MH_NO_HEAP_EXECUTION = 0x1000000

/** What a Mach-O image says about itself. */
export function machoFacts(file: Bytes, attempts: Attempts): FormatFacts {
  const commands = [...loadCommands(file, pointerSizeOf(file))]
  const first = (kind: number) => commands.find(command => command.kind === kind)?.command
  const dylibs = (kinds: readonly number[]) =>
    attempts.make(() =>
      libraryNames(
        commands
          .filter(({ kind }) => kinds.includes(kind))
          .map(({ command }) => readName(command, command.u32(8), 'the name of a dylib')),
      ),
    )
  const [fileType, flags] = [file.u32(12), file.u32(24)]
  const libraries = dylibs(NEEDED)
  const optional = dylibs(OPTIONAL)
  const locals = attempts.make(() => first(LC_DYSYMTAB)?.u32(12))
  const stripped = first(LC_SYMTAB) ? (locals === undefined ? undefined : locals === 0) : true
  const build = first(LC_BUILD_VERSION)
  const uuid = first(LC_UUID)
  return {
    ...(libraries && { libraries }),
    ...(optional && { optional_libraries: optional }),
    libc: { family: libraries ? familyOf(libraries) : 'unknown' },
    ...(attempts.make(() => minimumOs(commands)) ?? {}),
    toolchain: (build && attempts.make(() => tools(build))) ?? [],
    ...(stripped !== undefined && { stripped }),
    hardening: {
      // Only of a program is it a choice.
      pie: fileType === MH_DYLIB || fileType === MH_BUNDLE || (flags & MH_PIE) !== 0,
      nx_stack: (flags & MH_ALLOW_STACK_EXECUTION) === 0,
      nx_heap: (flags & MH_NO_HEAP_EXECUTION) !== 0,
      code_signature: first(LC_CODE_SIGNATURE) !== undefined,
    },
    ...((uuid && attempts.make(() => ({ build_id: { kind: 'uuid' as const, id: dashed(uuid) } }))) ?? {}),
  }
}

/** macOS has its C library in libSystem, and no other. */
function familyOf(libraries: readonly string[]): LibcFamily {
  return libraries.some(name => name.startsWith('/usr/lib/libSystem.')) ? 'libSystem' : 'none'
}

function minimumOs(commands: readonly { kind: number; command: Bytes }[]): Pick<FormatFacts, 'minimum_os'> {
  for (const { kind, command } of commands) {
    if (kind === LC_BUILD_VERSION) {
      const name = PLATFORMS[command.u32(8) - 1]
      if (name !== undefined) return { minimum_os: { name, version: packed(command.u32(12)) } }
    }
    const name = VERSION_MIN.get(kind)
    if (name !== undefined) return { minimum_os: { name, version: packed(command.u32(8)) } }
  }
  return {}
}

/** struct build_tool_version: which tool and its version, behind the 24 bytes of the command. */
function tools(command: Bytes): string[] {
  const count = Math.min(command.u32(20), MAX_TOOLS)
  return Array.from({ length: count }, (_, i) => {
    const tool = command.u32(24 + i * 8)
    return `${TOOLS[tool - 1] ?? `tool ${tool}`} ${packed(command.u32(28 + i * 8))}`
  })
}

/** X.Y.Z in nibbles xxxx.yy.zz. */
function packed(version: number): string {
  return `${version >>> 16}.${(version >>> 8) & 0xff}.${version & 0xff}`
}

/** As `dwarfdump --uuid` shows it. */
function dashed(command: Bytes): string {
  const hex = command.slice(8, 16, 'the UUID').hex(16).toUpperCase()
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join('-')
}
