import type { Bytes } from '../../lib/bytes.ts'
import { PluginError } from '../error.ts'

/** Printable ASCII. Names of libraries and tools have nothing else, and nothing else may reach a terminal from here. */
const PRINTABLE = /^[\x20-\x7e]{1,255}$/

/** The C string at that place, which is the name of something. Throws `PluginError` where it is none. */
export function readName(bytes: Bytes, at: number, what: string): string {
  const [name = ''] = bytes.latin1(at, 256).split('\0', 1)
  if (PRINTABLE.test(name)) return name
  throw new PluginError('encoding', `${what} is empty, too long or not printable`)
}

// Programs that are linked with a hundred libraries are known.
const MAX_LIBRARIES = 256

/** The names of libraries that a table gives, each once. Throws `PluginError` where they are too many. */
export function libraryNames(names: Iterable<string>): string[] {
  const found = new Set<string>()
  for (const name of names) {
    if (found.add(name).size > MAX_LIBRARIES)
      throw new PluginError('not-supported', `the file needs more than ${MAX_LIBRARIES} libraries`)
  }
  return [...found]
}

/** The texts in a run of C strings, without the unprintable ones. */
export function printableTexts(run: string): string[] {
  return run.split('\0').filter(text => PRINTABLE.test(text))
}
