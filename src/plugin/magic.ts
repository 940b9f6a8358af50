import { Bytes } from '../lib/bytes.ts'
import { MAX_SLICES } from './fat.ts'

export type Container = 'elf' | 'pe' | 'mach' | 'fat'

/** What the first bytes say that a file is, or undefined. Four are enough; from eight a Java class is told as well. */
export function containerOf(head: Uint8Array): Container | undefined {
  const bytes = new Bytes(head, 'the file')
  if (bytes.startsWith('\x7fELF', 0)) return 'elf'
  if (bytes.startsWith('MZ', 0)) return 'pe'
  if (bytes.size < 4) return undefined
  switch (bytes.u32be(0)) {
    case 0xfeedface:
    case 0xfeedfacf:
    case 0xcefaedfe:
    case 0xcffaedfe:
      return 'mach'
    case 0xcafebabe:
      return bytes.size >= 8 && bytes.u32be(4) > MAX_SLICES ? undefined : 'fat'
    case 0xcafebabf:
      return 'fat'
    default:
      return undefined
  }
}
