import { Bytes } from '../lib/bytes.ts'
import { ElfImage } from './elf.ts'
import { PluginError } from './error.ts'
import { slices } from './fat.ts'
import type { Image } from './image.ts'
import { MachoImage } from './macho.ts'
import { containerOf } from './magic.ts'
import { PeImage } from './pe.ts'

/** The image in a file, or those of a universal one. Throws `PluginError` and `OutOfBounds`. */
export function openImages(file: Uint8Array): Image[] {
  const bytes = new Bytes(file, 'the file')
  switch (containerOf(file)) {
    case 'elf':
      return [new ElfImage(bytes)]
    case 'pe':
      return [new PeImage(bytes)]
    case 'mach':
      return [new MachoImage(bytes)]
    case 'fat':
      return slices(bytes).map(slice => new MachoImage(slice))
    default:
      // The original looks at the first bytes once it has five.
      if (file.length < 5) throw new PluginError('not-executable', 'the file ends before it tells what it is')
      throw new PluginError('not-supported', 'the file is neither ELF, PE nor Mach-O')
  }
}
