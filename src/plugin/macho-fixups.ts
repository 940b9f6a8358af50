import type { Bytes } from '../lib/bytes.ts'
import { PluginError } from './error.ts'
import type { Segments } from './segments.ts'

// All names and numbers: <mach-o/fixup-chains.h>.

interface PointerFormat {
  /** What the distance to the next pointer of the chain counts in. */
  readonly stride: 4 | 8
  /** Whether pointers may be signed (arm64e), which changes where the fields are. */
  readonly arm64e: boolean
  /** What the target of a plain pointer is: an address of the file's, or an offset from the image's header. */
  readonly target: 'address' | 'offset'
}

const FORMATS: Readonly<Record<number, PointerFormat>> = {
  1: { stride: 8, arm64e: true, target: 'address' }, // DYLD_CHAINED_PTR_ARM64E
  2: { stride: 4, arm64e: false, target: 'address' }, // DYLD_CHAINED_PTR_64
  6: { stride: 4, arm64e: false, target: 'offset' }, // DYLD_CHAINED_PTR_64_OFFSET
  7: { stride: 4, arm64e: true, target: 'offset' }, // DYLD_CHAINED_PTR_ARM64E_KERNEL
  9: { stride: 8, arm64e: true, target: 'offset' }, // DYLD_CHAINED_PTR_ARM64E_USERLAND
  12: { stride: 8, arm64e: true, target: 'offset' }, // DYLD_CHAINED_PTR_ARM64E_USERLAND24
}

const PAGE_WITHOUT_CHAIN = 0xffff
const PAGE_WITH_MANY_CHAINS = 0x8000

const PAGE_SIZES = new Set([0x1000, 0x4000])

// seg_count is the number of load commands of segments.
const MAX_SEGMENTS = 256

/** One segment's dyld_chained_starts_in_segment. */
interface Starts {
  readonly address: number
  readonly pageSize: number
  readonly format: number
  readonly pages: Bytes
}

/**
 * Pointers that the linker has packed together with the distance to the next one, page by page (LC_DYLD_CHAINED_FIXUPS).
 * A value that is in no chain is no packed pointer: so a slot is looked up by walking the chain of its page.
 */
export class ChainedFixups {
  readonly #segments: Segments
  readonly #base: number
  readonly #starts: readonly Starts[]

  constructor(table: Bytes, segments: Segments, base: number) {
    this.#segments = segments
    this.#base = base
    this.#starts = readStarts(table)
  }

  /** Where the pointer in this slot points, or undefined where the slot is in no chain. */
  target(slot: number): number | undefined {
    const starts = this.#starts.find(
      ({ address, pageSize, pages }) => slot >= address && slot < address + (pages.size / 2) * pageSize,
    )
    if (!starts) return undefined
    const format = FORMATS[starts.format]
    if (!format)
      throw new PluginError('not-supported', `chained fixups of the pointer format ${starts.format}`)
    const page = Math.floor((slot - starts.address) / starts.pageSize)
    const start = starts.pages.u16(page * 2)
    if (start === PAGE_WITHOUT_CHAIN) return undefined
    if (start & PAGE_WITH_MANY_CHAINS)
      throw new PluginError('not-supported', 'a page with many chains of fixups')

    const pageAddress = starts.address + page * starts.pageSize
    const pointers = this.#segments.from(pageAddress, 'a page of chained pointers')
    const wanted = slot - pageAddress
    let at = start
    while (at < wanted) {
      const next = (pointers.u32(at + 4) >>> 19) & (format.arm64e ? 0x7ff : 0xfff)
      if (next === 0) return undefined
      at += next * format.stride
    }
    return at === wanted ? this.#decode(pointers.u32(at), pointers.u32(at + 4), format) : undefined
  }

  #decode(low: number, high: number, format: PointerFormat): number {
    const bind = format.arm64e ? (high >>> 30) & 1 : high >>> 31
    if (bind) throw new PluginError('not-supported', 'a descriptor points into another library')
    // dyld_chained_ptr_arm64e_auth_rebase: 32 bits, always from the header; the key and salt are above.
    if (format.arm64e && high >>> 31) return low
    // dyld_chained_ptr_arm64e_rebase has 43 bits of target, dyld_chained_ptr_64_rebase 36; above them is the
    // top byte of the pointer, a tag that no address has.
    const target = (high & (format.arm64e ? 0x7ff : 0xf)) * 2 ** 32 + low
    return format.target === 'offset' || target === 0 ? target : target - this.#base
  }
}

function readStarts(table: Bytes): Starts[] {
  const image = table.u32(4)
  const count = table.u32(image)
  if (count > MAX_SEGMENTS) throw new PluginError('not-supported', `chained fixups of ${count} segments`)
  const starts = []
  for (let i = 0; i < count; i++) {
    const offset = table.u32(image + 4 + i * 4)
    if (offset === 0) continue
    const at = image + offset
    const pageSize = table.u16(at + 4)
    if (!PAGE_SIZES.has(pageSize)) throw new PluginError('not-supported', `pages of ${pageSize} bytes`)
    starts.push({
      pageSize,
      format: table.u16(at + 6),
      address: table.u64(at + 8),
      pages: table.slice(at + 22, table.u16(at + 20) * 2, 'the chained fixups of a segment'),
    })
  }
  return starts
}
