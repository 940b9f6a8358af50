import { OutOfBounds } from '../../lib/bytes.ts'
import { PluginError } from '../error.ts'
import type { Export, Image } from '../image.ts'

// abi_stable 0.10: type_layout.rs (TypeLayout, MonoTypeLayout), type_layout/construction.rs (ItemInfo), all repr(C).
// These are what memflow compares before it loads a plugin: cglue 0.2, trait_group.rs, VerifyLayout.

/** PluginDescriptor: input_layout, a type of cglue, and output_layout, a type of memflow; by the size of a pointer. */
const LAYOUT_FIELDS = { 4: [0x8, 0xc], 8: [0x8, 0x10] } as const
/** TypeLayout.mono, in pointers. */
const MONO = 1
/** MonoTypeLayout.item_info.package_and_version, behind shared_vars and name, in pointers: a pointer and a length. */
const PACKAGE = 4

const PACKAGE_AND_VERSION =
  /^([a-z][a-z0-9_-]{0,63});((?:0|[1-9]\d{0,5})\.(?:0|[1-9]\d{0,5})\.(?:0|[1-9]\d{0,5})(?:-[0-9A-Za-z.-]{1,32})?)(?:\+.*)?$/
const MAX_LENGTH = 128

/**
 * Crate and version of the types that the plugins of an image take and give, as they stand there for abi_stable.
 * Throws `PluginError` where they are laid out in another way.
 */
export function layoutPackages(image: Image, exports: readonly Export[]): [crate: string, version: string][] {
  try {
    return readPackages(image, exports)
  } catch (error) {
    if (!(error instanceof OutOfBounds) && !(error instanceof PluginError)) throw error
    throw new PluginError('not-supported', 'the layouts of its types are not those of abi_stable 0.10')
  }
}

function readPackages(image: Image, exports: readonly Export[]): [crate: string, version: string][] {
  const word = image.pointerSize
  const follow = (slots: readonly number[]) =>
    [...image.pointers(slots).values()].filter(target => target > 0)
  const layouts = follow(exports.flatMap(({ address }) => LAYOUT_FIELDS[word].map(field => address + field)))
  const monos = follow(layouts.map(layout => layout + MONO * word))
  const slots = monos.map(mono => mono + PACKAGE * word)
  const texts = image.pointers(slots)
  return slots.flatMap(slot => {
    const length = image.read(slot + word, word, 'the length of a package').word(0, word)
    if (length > MAX_LENGTH) return []
    const text = image.read(texts.get(slot) ?? 0, length, 'the package of a type').latin1(0, length)
    const [, crate, version] = PACKAGE_AND_VERSION.exec(text) ?? []
    return crate !== undefined && version !== undefined ? [[crate, version] as [string, string]] : []
  })
}
