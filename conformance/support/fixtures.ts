import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

const FOLDER = new URL('../../assets/plugins/', import.meta.url)
const EXPECTED: Record<string, Descriptor[]> = JSON.parse(
  readFileSync(new URL('expected.json', FOLDER), 'utf8'),
)

/** What the REST API says of one plugin in a binary. */
export interface Descriptor {
  readonly plugin_kind: string
  readonly export_name: string
  readonly file_type: string
  readonly architecture: string
  readonly plugin_version: number
  readonly name: string
  readonly version: string
  readonly description: string
}

/** A plugin binary of the project's own, and the descriptors it was made with. */
export interface Fixture {
  readonly file: string
  readonly bytes: Buffer
  /** sha256 in hex. */
  readonly digest: string
  readonly descriptors: readonly Descriptor[]
  readonly descriptor: Descriptor
}

/** The binary of that name in assets/plugins. */
export function fixture(name: string): Fixture {
  const descriptors = EXPECTED[name] ?? []
  const [descriptor] = descriptors
  if (descriptor === undefined) throw new Error(`assets/plugins/expected.json knows no plugin in ${name}`)
  const file = fileURLToPath(new URL(name, FOLDER))
  const bytes = readFileSync(file)
  return { file, bytes, digest: createHash('sha256').update(bytes).digest('hex'), descriptors, descriptor }
}

/** A binary without a plugin in it. */
export const PLAIN_FILE = fileURLToPath(new URL('libplain.x86_64.so', FOLDER))

/** One build of coredump 0.2.0 for a platform, with the file name that `oras pull` gives it. */
export interface Build extends Fixture {
  readonly platform: string
  readonly title: string
}

/** coredump 0.2.0 on every platform that memflow knows. */
export const BUILDS: readonly Build[] = [
  build('linux/386', 'libmemflow_coredump', 'x86.so'),
  build('linux/amd64', 'libmemflow_coredump', 'x86_64.so'),
  build('linux/arm', 'libmemflow_coredump', 'arm.so'),
  build('linux/arm64', 'libmemflow_coredump', 'arm64.so'),
  build('windows/386', 'memflow_coredump', 'x86.dll'),
  build('windows/amd64', 'memflow_coredump', 'x86_64.dll'),
  build('darwin/amd64', 'libmemflow_coredump', 'x86_64.dylib'),
  build('darwin/arm64', 'libmemflow_coredump', 'arm64.dylib'),
]

export function buildFor(platform: string): Build {
  const found = BUILDS.find(candidate => candidate.platform === platform)
  if (found === undefined) throw new Error(`no build for ${platform}`)
  return found
}

function build(platform: string, stem: string, tail: string): Build {
  return { ...fixture(`${stem}-0.2.0.${tail}`), platform, title: `${stem}.${tail}` }
}
