// Do our parsers see in real binaries what readelf, objdump and LIEF see?
//
//   pip install lief; tsx conformance/crosscheck/run.ts FOLDER-OR-FILE...
//
// For every binary found: its exports in the order of its table, and where its relocated pointers point.
// Disagreements go to stdout, each with its file; the exit code says whether there were any.
import { readFileSync } from 'node:fs'
import { hasTool, objdumpExports, readelfExports, readelfPointers } from '../../spec/support/binutils.ts'
import type { Export, Image } from '../../src/plugin/image.ts'
import { openImages } from '../../src/plugin/open.ts'
import { binaries } from './binaries.ts'
import { askLief } from './oracle.ts'

interface Oracle {
  readonly path: string
  readonly error?: string
  readonly images?: readonly { exports: [string, number][]; pointers: [number, number][] }[]
}

/** More exports than this are looked up by name, each for itself: the walk of a trie is made for a few. */
const MANY = 400

const tally = { files: 0, images: 0, exports: 0, pointers: 0, refused: 0, unread: 0, disagreements: 0 }
const formats = new Map<string, number>()

for (const tool of ['readelf', 'objdump']) if (!hasTool(tool)) fail(`${tool} is missing`)
const paths = process.argv.slice(2).flatMap(binaries)
for await (const oracle of askLief<Oracle>('lief_oracle.py', paths)) check(oracle)
console.log(JSON.stringify({ ...tally, formats: Object.fromEntries(formats) }))
process.exitCode = tally.disagreements > 0 ? 1 : 0

function check({ path, error, images: theirs }: Oracle): void {
  tally.files++
  let images: Image[]
  try {
    images = openImages(readFileSync(path))
  } catch (refusal) {
    tally.refused++
    console.log(`refused\t${path}\t${reasonOf(refusal)}${error ? `\tLIEF: ${error}` : ''}`)
    return
  }
  for (const [i, image] of images.entries()) {
    tally.images++
    const format = `${image.fileType} ${JSON.stringify(image.architecture)}`
    formats.set(format, (formats.get(format) ?? 0) + 1)
    const slice = theirs?.[i]
    const many = image.fileType === 'mach' && (slice?.exports.length ?? 0) > MANY
    const ours = many ? undefined : attempt(path, () => [...image.exports('')])
    if (ours && image.fileType === 'elf') {
      compareExports(path, 'readelf', ours, readelfExports(path))
      comparePointers(path, 'readelf', image, readelfPointers(path))
    }
    if (ours && image.fileType === 'pe') compareExports(path, 'objdump', ours, objdumpExports(path))
    if (!slice) {
      tally.unread++
      console.log(`unread\t${path}\tLIEF: ${error}`)
      continue
    }
    comparePointers(path, 'LIEF', image, new Map(slice.pointers))
    const named = slice.exports.map(([name, address]) => ({ name, address }))
    if (image.fileType === 'elf') compareExports(path, 'LIEF', ours ?? [], named)
    else if (image.fileType === 'mach' && named.length > MANY)
      compareLookups(path, image, named.slice(0, MANY))
    else compareExports(path, 'LIEF', (ours ?? []).toSorted(byName), named)
  }
}

function compareExports(
  path: string,
  tool: string,
  ours: readonly Export[],
  theirs: readonly Export[],
): void {
  tally.exports += theirs.length
  const text = (list: readonly Export[]) => list.map(({ name, address }) => `${name}=${address.toString(16)}`)
  const [a, b] = [text(ours), text(theirs)]
  if (a.join() === b.join()) return
  const at = a.findIndex((item, i) => item !== b[i])
  disagree(path, `${tool}: ${b.length} exports, ours ${a.length}; first at ${at}: ${b[at]}, ours ${a[at]}`)
}

function compareLookups(path: string, image: Image, theirs: readonly Export[]): void {
  for (const { name, address } of theirs) {
    const ours = attempt(path, () => [...image.exports(name)].find(found => found.name === name))
    tally.exports++
    if (ours?.address !== address) disagree(path, `LIEF: ${name} at ${address}, ours ${ours?.address}`)
  }
}

function comparePointers(
  path: string,
  tool: string,
  image: Image,
  theirs: ReadonlyMap<number, number>,
): void {
  const ours = attempt(path, () => image.pointers([...theirs.keys()]))
  if (!ours) return
  tally.pointers += theirs.size
  const wrong = [...theirs].find(([slot, target]) => ours.get(slot) !== target)
  if (!wrong) return
  const [slot, target] = wrong
  const found = ours.get(slot)?.toString(16)
  disagree(path, `${tool}: the pointer at ${slot.toString(16)} to ${target.toString(16)}, ours ${found}`)
}

function attempt<T>(path: string, work: () => T): T | undefined {
  try {
    return work()
  } catch (error) {
    disagree(path, `ours: ${reasonOf(error)}`)
    return undefined
  }
}

function disagree(path: string, text: string): void {
  tally.disagreements++
  console.log(`disagree\t${path}\t${text}`)
}

function reasonOf(error: unknown): string {
  return error instanceof Error ? ((error as { reason?: string }).reason ?? error.message) : String(error)
}

function byName(a: Export, b: Export): number {
  return a.name < b.name ? -1 : a.name > b.name ? 1 : a.address - b.address
}

function fail(text: string): never {
  console.error(text)
  process.exit(2)
}
