import type { Bytes } from '../lib/bytes.ts'
import { PluginError } from './error.ts'

// <mach-o/loader.h>.

// Large programs have some two hundred.
const MAX_COMMANDS = 4096

/** The size of a pointer, by the magic number. Throws `PluginError` for what no reader here can read. */
export function pointerSizeOf(file: Bytes): 4 | 8 {
  switch (file.u32(0)) {
    case 0xfeedface:
      return 4
    case 0xfeedfacf:
      return 8
    case 0xcefaedfe:
    case 0xcffaedfe:
      throw new PluginError('not-supported', 'the file is big-endian')
    default: // a static library, for one, in a universal file
      throw new PluginError('not-executable', 'a slice of the file is no Mach-O image')
  }
}

/** The load commands behind the header, in their order. */
export function* loadCommands(file: Bytes, word: 4 | 8): Generator<{ kind: number; command: Bytes }> {
  const count = file.u32(16)
  if (count > MAX_COMMANDS) throw new PluginError('not-supported', `the file has ${count} load commands`)
  const table = file.slice(word === 8 ? 32 : 28, file.u32(20), 'the load commands')
  for (let at = 0, i = 0; i < count; i++) {
    const [kind, size] = [table.u32(at), table.u32(at + 4)]
    if (size < 8) throw new PluginError('not-executable', 'a load command is shorter than its header')
    yield { kind, command: table.slice(at, size, 'a load command') }
    at += size
  }
}
