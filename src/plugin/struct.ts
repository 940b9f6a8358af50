import { PLUGIN_TEXTS, type PluginDescriptor, type PluginKind } from './descriptor.ts'
import { PluginError } from './error.ts'
import type { Export, Image } from './image.ts'

// memflow 0.2.x, plugins/mod.rs, PluginDescriptor<T>: repr(C), the same since 0.2.0.

/** Offsets by the size of a pointer. A text is a pointer and a u32 length behind it. */
const LAYOUTS = {
  4: { size: 0x34, plugin_version: 0, name: 0x10, version: 0x18, description: 0x20 },
  8: { size: 0x60, plugin_version: 0, name: 0x18, version: 0x28, description: 0x38 },
} as const

/** Of any of them, in bytes. */
const MAX_LENGTH = 4096

/** Every export that memflow looks for begins so. */
const PREFIX = 'MEMFLOW_'

const KINDS: readonly (readonly [prefix: string, kind: PluginKind])[] = [
  ['MEMFLOW_CONNECTOR_', 'connector'],
  ['MEMFLOW_OS_', 'os'],
]

const MAX_EXPORTS = 16
/** An identifier of Rust or C. */
export const SYMBOL = /^[A-Za-z0-9_]{1,255}$/

interface PluginExport extends Export {
  readonly kind: PluginKind
}

/** Every export of an image whose name is for memflow, in their order. Throws `PluginError` where they are too many. */
export function memflowExports(image: Image): Export[] {
  const found: Export[] = []
  for (const one of image.exports(PREFIX)) {
    // Counted as they come: the same name a million times is a million times the work.
    if (found.push(one) > MAX_EXPORTS)
      throw new PluginError('not-supported', `the file has more than ${MAX_EXPORTS} exports of memflow`)
  }
  return found
}

/** The exports of an image that are plugins, in their order. Of a name that comes again the first counts, as for the loader. */
export function pluginExports(image: Image): PluginExport[] {
  const found = new Map<string, PluginExport>()
  for (const { name, address } of memflowExports(image)) {
    const kind = KINDS.find(([prefix]) => name.length > prefix.length && name.startsWith(prefix))?.[1]
    if (!kind) continue
    if (!SYMBOL.test(name))
      throw new PluginError('encoding', 'a plugin is exported under a name that is no identifier')
    if (!found.has(name)) found.set(name, { name, address, kind })
  }
  return [...found.values()]
}

/** What these exports of an image say, each for itself. */
export function readDescriptors(image: Image, exports: readonly PluginExport[]): PluginDescriptor[] {
  const layout = LAYOUTS[image.pointerSize]
  const fields = [layout.name, layout.version, layout.description]
  const pointers = image.pointers(exports.flatMap(({ address }) => fields.map(field => address + field)))

  return exports.map(({ name: symbol, address, kind }) => {
    const struct = image.read(address, layout.size, symbol)
    const text = (field: keyof typeof PLUGIN_TEXTS): string => {
      const what = `the ${field} in ${symbol}`
      const length = struct.u32(layout[field] + image.pointerSize)
      const value = readText(image, pointers.get(address + layout[field]) ?? 0, length, what)
      if (PLUGIN_TEXTS[field].test(value)) return value
      // Not shown: it may be anything, and the reason ends up in a terminal.
      throw new PluginError(
        'encoding',
        `${what} is empty or too long, or has characters that it may not have`,
      )
    }
    return {
      plugin_kind: kind,
      export_name: symbol,
      file_type: image.fileType,
      architecture: image.architecture,
      plugin_version: struct.i32(layout.plugin_version),
      name: text('name'),
      version: text('version'),
      description: text('description'),
    }
  })
}

/** An absent text is a null pointer with the length 0 or 1, as abi_stable leaves it. */
function readText(image: Image, address: number, length: number, what: string): string {
  if (length === 0 || (address === 0 && length === 1)) return ''
  if (address === 0) throw new PluginError('out-of-bounds', `${what} is a null pointer of length ${length}`)
  if (length > MAX_LENGTH) throw new PluginError('out-of-bounds', `${what} has a length of ${length} bytes`)
  const text = image.read(address, length, what).utf8()
  if (text === undefined) throw new PluginError('encoding', `${what} is not UTF-8`)
  return text
}
