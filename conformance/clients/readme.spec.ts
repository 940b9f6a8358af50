import { chmod, copyFile, cp, mkdir, mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { delimiter, dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect } from 'chai'
import { describeClients, describeWith } from '../support/clients.ts'
import { type ConsoleBlock, consoleBlocks, outputPattern } from '../support/console-blocks.ts'
import { findClient, run } from '../support/process.ts'
import { freePort } from '../support/service.ts'
import { Terminal } from '../support/terminal.ts'

const PROJECT = fileURLToPath(new URL('../../', import.meta.url))
const BLOCKS = consoleBlocks(await readFile(join(PROJECT, 'README.md'), 'utf8'))

/** What blocks may need beside Node.js and the usual tools of a shell. */
const CLIENTS = ['curl', 'openssl', 'jq', 'oras', 'sha256sum']

/** memflowup does not work as root; this is nobody. */
const NOBODY = 65534
const uid = process.getuid?.() === 0 ? NOBODY : undefined

/** What a machine needs to reach its npm registry. */
const NETWORK = /^(npm_config_registry|(https?|no)_proxy|node_extra_ca_certs|ssl_cert_(file|dir))$/i

/**
 * As at a terminal: there, curl shows no progress beside a response. memflowup does not ask whether to go on with a version
 * that is not the newest.
 */
const FUNCTIONS =
  'curl() { command curl -sS "$@"; }; memflowup() { command memflowup --skip-version-check "$@"; }'

describe('the commands of README', function () {
  this.bail(true)
  let folder: string
  let port: number
  let env: Record<string, string>
  let user: Terminal
  let server: Terminal | undefined

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'readme-'))
    port = await freePort()
    await Promise.all(['clone', 'home', 'bin'].map(name => mkdir(join(folder, name))))
    await copyTree(join(folder, 'clone'))
    await copyClient('oras', findClient('oras'))
    await copyClient('memflowup', process.env.MEMFLOWUP)
    if (uid !== undefined) await run('chown', ['-R', `${uid}:${uid}`, folder])
    env = {
      ...Object.fromEntries(Object.entries(process.env).filter(([name]) => NETWORK.test(name))),
      PATH: [join(folder, 'bin'), process.env.PATH].join(delimiter),
      HOME: join(folder, 'home'),
      LC_ALL: 'C.UTF-8',
    } as Record<string, string>
    user = terminal()
    await user.run(FUNCTIONS)
  })
  after(async () => {
    await Promise.all([user?.end(), server?.end()])
    await rm(folder, { recursive: true, force: true })
  })

  const terminal = (more: Record<string, string> = {}) =>
    new Terminal({
      env: { ...env, ...more },
      cwd: join(folder, 'clone'),
      ...(uid === undefined ? {} : { uid }),
    })

  /** The working tree as a clone has it: without what git ignores. */
  async function copyTree(target: string): Promise<void> {
    const list = ['ls-files', '-z', '--cached', '--others', '--exclude-standard']
    const { stdout, code, stderr } = await run('git', list, { cwd: PROJECT })
    if (code !== 0) throw new Error(stderr)
    for (const path of stdout.toString().split('\0').filter(Boolean)) {
      await mkdir(dirname(join(target, path)), { recursive: true })
      await cp(join(PROJECT, path), join(target, path))
    }
  }

  /** Puts a client where every user can run it. */
  async function copyClient(name: string, file: string | undefined): Promise<void> {
    if (file === undefined) return
    await copyFile(file, join(folder, 'bin', name))
    await chmod(join(folder, 'bin', name), 0o755)
  }

  /** The port of README is another one here, because specs run beside each other. */
  const here = (text: string) => text.replaceAll(':3000', `:${port}`)

  it('are in the blocks whose fence says console', () => {
    expect(BLOCKS.flatMap(({ steps }) => steps).length).to.be.greaterThan(20)
  })

  for (const block of BLOCKS)
    describeBlock(block, () => {
      for (const { command, shown } of block.steps)
        it(`$ ${command.replaceAll('\n', ' ')}`, async () => {
          const pattern = outputPattern(here(shown))
          if (block.isServer && command === block.steps.at(-1)?.command) {
            server = terminal({ MEMFLOW_ADDR: `127.0.0.1:${port}` })
            server.start(here(command))
            await server.waitFor(pattern)
          } else {
            const printed = (await user.run(here(command))).trimEnd()
            expect(printed === '' ? '' : `${printed}\n`).to.match(pattern)
          }
        })
    })
})

/** The block as a suite, if all the clients that it needs are here. */
function describeBlock({ heading, steps }: ConsoleBlock, suite: () => void): void {
  const text = steps.map(({ command }) => command).join('\n')
  const calls = (name: string) => new RegExp(`(^|[(|;])\\s*${name} `, 'm').test(text)
  if (calls('memflowup')) describeWith('MEMFLOWUP', "the memflowup binary's path", heading, suite)
  else describeClients(CLIENTS.filter(calls), heading, suite)
}
