import { OutOfBounds } from '../lib/bytes.ts'
import type { PluginDescriptor } from './descriptor.ts'
import { PluginError, type PluginErrorKind } from './error.ts'
import { containerOf } from './magic.ts'
import { openImages } from './open.ts'
import { pluginExports, readDescriptors } from './struct.ts'

/** Whether a file that begins so (four bytes at least) may be a plugin: for a look before the rest is there. */
export function isBinary(head: Uint8Array): boolean {
  return containerOf(head) !== undefined
}

/**
 * The plugins in a binary, in the order of its export table; those of a universal binary slice after slice.
 * Throws `PluginError` for everything that is no plugin. Bounded: no file costs more than one pass over its tables.
 */
export function analyze(file: Uint8Array): PluginDescriptor[] {
  const images = within('not-executable', () => openImages(file))
  const descriptors = images.flatMap(image => {
    const exports = within('not-executable', () => pluginExports(image))
    return within('out-of-bounds', () => readDescriptors(image, exports))
  })
  if (descriptors.length > 0) return descriptors
  throw new PluginError(
    'not-found',
    'the file exports no plugin: no symbol MEMFLOW_CONNECTOR_… or MEMFLOW_OS_…',
  )
}

/** What work answers; a read out of bounds meanwhile is an error of that kind. */
function within<T>(kind: PluginErrorKind, work: () => T): T {
  try {
    return work()
  } catch (error) {
    throw error instanceof OutOfBounds ? new PluginError(kind, error.message) : error
  }
}
