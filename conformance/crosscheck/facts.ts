// Do we see the facts in real binaries that readelf, objdump and LIEF see?
//
//   pip install lief; tsx conformance/crosscheck/facts.ts FOLDER-OR-FILE...
//
// Disagreements go to stdout, each with its file; then one line of JSON with the counts; the exit code says
// whether there were any.
import { readFileSync } from 'node:fs'
import { objdumpFacts, readelfFacts } from '../../spec/support/binutils-facts.ts'
import { factsOf, type ImageFacts } from '../../src/plugin/facts.ts'
import { binaries } from './binaries.ts'
import { askLief } from './oracle.ts'

type Facts = Readonly<Record<string, unknown>>

interface Oracle {
  readonly path: string
  readonly error?: string
  readonly images?: readonly Facts[]
}

const tally = { files: 0, images: 0, facts: 0, refused: 0, unread: 0, disagreements: 0, slowest: 0 }

for await (const oracle of askLief<Oracle>('facts_oracle.py', process.argv.slice(2).flatMap(binaries)))
  check(oracle)
console.log(JSON.stringify(tally))
process.exitCode = tally.disagreements > 0 ? 1 : 0

function check({ path, error, images: theirs }: Oracle): void {
  tally.files++
  const bytes = readFileSync(path)
  let images: readonly ImageFacts[]
  try {
    const start = performance.now()
    images = factsOf(bytes).images
    tally.slowest = Math.max(tally.slowest, Math.round(performance.now() - start))
  } catch (refusal) {
    tally.refused++
    console.log(`refused\t${path}\t${(refusal as { reason?: string }).reason ?? refusal}`)
    return
  }
  for (const [i, image] of images.entries()) {
    tally.images++
    for (const problem of image.problems) console.log(`problem\t${path}\t${problem}`)
    if (image.file_type === 'elf') compare(path, 'readelf', oursOf(image), readelfFacts(path))
    if (image.file_type === 'pe') compare(path, 'objdump', oursOf(image), objdumpFacts(path))
    const slice = theirs?.[i]
    if (slice) compare(path, 'LIEF', oursOf(image), slice)
    else {
      tally.unread++
      console.log(`unread\t${path}\tLIEF: ${error}`)
    }
  }
}

/** Ours, in the words of the others: flat, and sets where they have sets. */
function oursOf(image: ImageFacts): Facts {
  const { libraries, optional_libraries, libc, minimum_os, stripped, hardening, build_id } = image
  const set = (names: readonly string[] | undefined) =>
    names && image.file_type === 'pe' ? [...names].sort() : names
  return {
    libraries: set(libraries),
    optional_libraries: set(optional_libraries),
    floors: libc.floors ?? {},
    minimum_os: minimum_os?.version,
    stripped,
    ...hardening,
    build_id: build_id?.id,
  }
}

/** Every fact that they tell must be ours too; what they have no word for is passed over. */
function compare(path: string, tool: string, ours: Facts, theirs: Facts): void {
  for (const [name, theirsIs] of Object.entries(withFloors(theirs))) {
    tally.facts++
    if (JSON.stringify(ours[name]) === JSON.stringify(theirsIs)) continue
    tally.disagreements++
    console.log(
      `disagree\t${path}\t${tool}: ${name} is ${JSON.stringify(theirsIs)}, ours ${JSON.stringify(ours[name])}`,
    )
  }
}

/** The list of all GLIBC_ versions as the highest of each library. */
function withFloors({ glibc, ...facts }: Facts): Facts {
  if (!Array.isArray(glibc)) return facts
  const floors: Record<string, string> = {}
  for (const [library, version] of glibc as [string, string][]) {
    // glibc 2.36, NEWS: packed relative relocations need this one.
    const number = version === 'GLIBC_ABI_DT_RELR' ? '2.36' : version.replace('GLIBC_', '')
    const known = floors[library]
    if (known === undefined || known.localeCompare(number, 'en', { numeric: true }) < 0)
      floors[library] = number
  }
  return { ...facts, floors: Object.fromEntries(Object.entries(floors).sort(([a], [b]) => (a < b ? -1 : 1))) }
}
