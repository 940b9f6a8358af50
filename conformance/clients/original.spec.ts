import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect } from 'chai'
import { describeWith } from '../support/clients.ts'
import { fixture } from '../support/fixtures.ts'
import { SigningKey } from '../support/openssl.ts'
import { run } from '../support/process.ts'
import { COMMAND, type Server, startServer, TOKEN } from '../support/server.ts'
import { Service } from '../support/service.ts'

/** Several versions and platforms of one plugin, a beta with a negative ABI, and two plugins in one file. */
const FILES = [
  'libmemflow_coredump-0.2.0.x86_64.so',
  'memflow_coredump-0.2.0.x86_64.dll',
  'libmemflow_coredump-0.2.1.arm64.so',
  'libmemflow_coredump-0.2.1-abi2.x86_64.so',
  'libmemflow_coredump-0.2.0-beta.1.x86_64.so',
  'libmemflow_coredump-0.2.0.arm.so',
  'libmemflow_pair-0.2.0.x86_64.so',
  'memflow_coredump-0.2.1.x86_64.dll',
] as const

describeWith('ORIGINAL', "the original memflow-registry's path", 'the storage of the original server', () => {
  let folder: string
  let key: SigningKey
  let original: Service
  let server: Server | undefined

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'original-'))
    await mkdir(join(folder, 'old', 'files'), { recursive: true })
    key = await SigningKey.make(folder)
    original = await startOriginal()
  })
  after(async () => {
    await original.stop()
    await server?.stop()
    await rm(folder, { recursive: true, force: true })
  })

  const startOriginal = () =>
    Service.start(join(folder, 'old'), (_, port) => ({
      command: [process.env.ORIGINAL ?? ''],
      env: {
        MEMFLOW_ADDR: `127.0.0.1:${port}`,
        MEMFLOW_STORAGE_ROOT: 'files',
        MEMFLOW_BEARER_TOKEN: TOKEN,
        MEMFLOW_PUBLIC_KEY_FILE: key.publicFile,
      },
    }))

  const settings = () => ({
    MEMFLOW_PUBLIC_KEY_FILE: key.publicFile,
    MEMFLOW_STORAGE_ROOT: join(folder, 'new', 'storage'),
  })

  async function upload(url: string, file: string): Promise<string> {
    const form = [`file=@${file}`, `signature=${await key.sign(file)}`].flatMap(field => ['-F', field])
    const { stdout } = await run('curl', [
      ...['-sS', '-H', `Authorization: Bearer ${TOKEN}`],
      ...form,
      `${url}/files`,
    ])
    return stdout.toString()
  }

  async function importAll(...args: string[]) {
    const [node = '', ...rest] = COMMAND
    const command = [...rest.slice(0, -1), 'import', join(folder, 'old', 'files'), ...args]
    return await run(node, command, { cwd: folder, env: { ...settings(), MEMFLOW_LOG: 'off' } })
  }

  /** Every answer that the contract promises for these plugins, with status and type. */
  async function answers(url: string): Promise<Record<string, string>> {
    const names = [...new Set(FILES.flatMap(name => fixture(name).descriptors.map(({ name }) => name)))]
    const paths = [
      '/plugins',
      ...[...names, 'unknown'].flatMap(name => [
        `/plugins/${name}`,
        `/plugins/${name}?limit=50`,
        `/plugins/${name}?limit=2`,
        `/plugins/${name}?version=0.2.1`,
        `/plugins/${name}?memflow_plugin_version=1&limit=50`,
        `/plugins/${name}?file_type=elf&architecture=x86_64&limit=1`,
        `/plugins/${name}?file_type=pe&limit=50`,
      ]),
      ...FILES.flatMap(name => {
        const { digest } = fixture(name)
        return [
          `/files/${digest}`,
          `/files/${digest}/metadata`,
          `/plugins/coredump?version=${digest.slice(0, 7)}`,
        ]
      }),
    ]
    const all: Record<string, string> = {}
    for (const path of paths) {
      const response = await fetch(url + path)
      const bytes = Buffer.from(await response.arrayBuffer())
      all[path] = `${response.status} ${response.headers.get('content-type')} ${bytes.toString('latin1')}`
    }
    return all
  }

  it('is imported, and all answers are those of the original', async () => {
    for (const name of FILES) expect(await upload(original.url, fixture(name).file), name).to.equal('"Added"')
    const expected = await answers(original.url)
    const dry = await importAll('--dry-run')
    expect(dry.stdout.toString()).to.match(/^8 plugin files can be imported, 0 here already, 0 refused/)
    const imported = await importAll()
    expect(imported.stdout.toString()).to.match(/^8 plugin files imported, 0 here already, 0 refused/)
    expect(imported.code).to.equal(0)
    server = await startServer(join(folder, 'new'), settings())
    const actual = await answers(server.url)
    expect(Object.keys(actual).length).to.be.greaterThan(40)
    for (const [path, answer] of Object.entries(expected)) expect(actual[path], path).to.equal(answer)
    await server.stop()
  })

  it('is imported again after it has changed: what is new comes, and what was deleted there is named', async () => {
    const { digest } = fixture(FILES[0])
    const deleted = await fetch(`${original.url}/files/${digest}`, {
      method: 'DELETE',
      headers: { authorization: `Bearer ${TOKEN}` },
    })
    expect(deleted.status).to.equal(200)
    expect(await upload(original.url, fixture('libmemflow_coredump-0.2.1.x86_64.so').file)).to.equal(
      '"Added"',
    )
    const { stdout, code } = await importAll()
    expect(stdout.toString())
      .to.include(`not imported: ${digest}: its .plugin file is missing: it was deleted there`)
      .and.match(/\n1 plugin file imported, 7 here already, 1 refused/)
    expect(code).to.equal(1)
  })
})
