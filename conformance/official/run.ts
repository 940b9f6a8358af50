import { spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { Command, Option } from 'commander'
import { closingLines, failures } from './report.ts'

// Runs the official suite (opencontainers/distribution-spec, folder conformance) with everything switched on that it has.
// Build its binary there with `go build -o conformance .`.

const ON = [
  'API_PULL',
  'API_PUSH',
  'API_BLOBS_ATOMIC',
  'API_BLOBS_DELETE',
  'API_BLOBS_DIGEST_HEADER',
  'API_BLOBS_MOUNT_ANONYMOUS',
  'API_BLOBS_UPLOAD_CANCEL',
  'API_MANIFESTS_ATOMIC',
  'API_MANIFESTS_DELETE',
  'API_MANIFESTS_DIGEST_HEADER',
  'API_MANIFESTS_TAG_PARAM',
  'API_TAGS_ATOMIC',
  'API_TAGS_DELETE',
  'API_TAGS_LIST',
  'API_REFERRER',
  'DATA_IMAGE',
  'DATA_INDEX',
  'DATA_INDEX_LIST',
  'DATA_ARTIFACT',
  'DATA_SUBJECT',
  'DATA_SUBJECT_MISSING',
  'DATA_ARTIFACT_LIST',
  'DATA_SUBJECT_LIST',
  'DATA_DATA_FIELD',
  'DATA_NONDISTRIBUTABLE',
  'DATA_CUSTOM_FIELDS',
  'DATA_NO_LAYERS',
  'DATA_EMPTY_BLOB',
  'DATA_SHA512',
]

const program = new Command('conformance:official')
  .description(
    "Runs the official conformance suite and prints its closing lines. Fails when the suite's result is not Pass.",
  )
  .argument('<binary>', 'the built suite')
  .argument('<url>', 'the registry, such as http://127.0.0.1:5000')
  .option('--user <name>', 'user that may push and delete', 'conformance')
  .option('--password <password>', 'password of that user')
  .addOption(
    new Option('--suite <version>', 'version of the spec').choices(['1.1', 'dev', 'both']).default('both'),
  )
  .option(
    '--sparse',
    'also push manifests whose content is missing; for registries that are set up to take them',
  )
  .option('--results <folder>', 'where the reports go (a temporary folder)')
  .parse()

const [binary, address] = program.args as [string, string]
const options = program.opts<{
  user: string
  password?: string
  suite: '1.1' | 'dev' | 'both'
  sparse?: boolean
  results?: string
}>()
const registry = new URL(address)
const results = options.results ?? mkdtempSync(join(tmpdir(), 'oci-conformance-'))

let failed = false
for (const version of options.suite === 'both' ? ['1.1', 'dev'] : [options.suite]) {
  const { output, code } = await runSuite(version)
  const faults = failures(output)
  if (faults.length > 0) console.log(faults.join('\n'))
  console.log(`\n== distribution-spec ${version} at ${registry.host}, reports in ${join(results, version)}`)
  console.log(closingLines(output))
  // The suite exits 0 when it cannot even read its settings; then it has no closing lines.
  failed ||= code !== 0 || !/^OCI Conformance Result: Pass$/m.test(output)
}
process.exitCode = failed ? 1 : 0

async function runSuite(version: string): Promise<{ output: string; code: number | null }> {
  const folder = join(results, version)
  mkdirSync(folder, { recursive: true })
  const repository = `conformance/official-${randomBytes(4).toString('hex')}`
  const env: NodeJS.ProcessEnv = {
    ...process.env,
    OCI_VERSION: version,
    OCI_REGISTRY: registry.host,
    OCI_TLS: registry.protocol === 'https:' ? 'enabled' : 'disabled',
    OCI_REPO1: `${repository}/repo1`,
    OCI_REPO2: `${repository}/repo2`,
    OCI_RESULTS_DIR: resolve(folder),
    OCI_USERNAME: options.password === undefined ? undefined : options.user,
    OCI_PASSWORD: options.password,
    OCI_DATA_SPARSE: String(options.sparse === true),
    ...Object.fromEntries(ON.map(name => [`OCI_${name}`, 'true'])),
  }
  const suite = spawn(resolve(binary), [], { cwd: folder, env, stdio: ['ignore', 'pipe', 'inherit'] })
  const parts: Buffer[] = []
  suite.stdout.on('data', part => parts.push(part))
  const [code] = (await once(suite, 'close')) as [number | null]
  return { output: Buffer.concat(parts).toString('utf8'), code }
}
