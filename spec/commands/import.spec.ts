import { createHash } from 'node:crypto'
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect } from 'chai'
import { Command, type Ended } from '../support/command.ts'
import { type PluginFile, plugin } from '../support/plugins.ts'
import { startRegistry } from '../support/server.ts'
import { signer } from '../support/signer.ts'
import { tmpDir } from '../support/tmp.ts'

const HEX = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex')

describe('commands/import', () => {
  const fresh = tmpDir()
  const { pem, sign } = signer()
  let old: string
  let storage: string

  /** Writes what the original writes at an upload. */
  async function add(file: PluginFile, createdAt: string, signature?: string): Promise<string> {
    const { bytes, descriptors } = plugin(file)
    const digest = HEX(bytes)
    const meta = { digest, signature: signature ?? sign(bytes), created_at: createdAt, descriptors }
    await writeFile(join(old, `${digest}.plugin`), bytes)
    await writeFile(join(old, `${digest}.meta`), JSON.stringify(meta))
    return digest
  }

  const run = (...args: string[]): Promise<Ended> =>
    new Command(['import', old, ...args], old, {
      MEMFLOW_STORAGE_ROOT: storage,
      MEMFLOW_PUBLIC_KEY_FILE: pem,
      MEMFLOW_LOG: 'off',
    }).ended

  async function listed(name: string): Promise<{ digest: string; created_at: string }[]> {
    const registry = await startRegistry({ storage, keys: pem })
    try {
      const { text } = await registry.ask('GET', `/plugins/${name}?limit=50`)
      return JSON.parse(text).plugins
    } finally {
      await registry.close()
    }
  }

  beforeEach(async () => {
    old = await fresh()
    storage = join(await fresh(), 'storage')
  })

  it('an import keeps the times of the uploads and so the order of the lists', async () => {
    const second = await add('libmemflow_coredump-0.2.0.x86_64.so', '2024-03-22T18:14:53.402258600')
    const third = await add('memflow_coredump-0.2.0.x86_64.dll', '2024-03-22T18:14:53.402258601')
    const first = await add('libmemflow_coredump-0.2.0.arm64.so', '2024-03-22T18:14:53')
    expect((await run()).stdout).to.match(
      /^3 plugin files imported, 0 here already, 0 refused, in \d+\.\d s\n$/,
    )
    const plugins = await listed('coredump')
    expect(plugins.map(({ digest }) => digest)).to.deep.equal([third, second, first])
    expect(plugins.map(({ created_at }) => created_at)).to.deep.equal([
      '2024-03-22T18:14:53.402258601',
      '2024-03-22T18:14:53.402258600',
      '2024-03-22T18:14:53',
    ])
  })

  it('an import that is repeated takes only what is new, and leaves the folder as it was', async () => {
    await add('libmemflow_coredump-0.2.0.x86_64.so', '2024-03-22T18:14:53.402258600')
    const { code } = await run()
    expect(code).to.equal(0)
    await add('libmemflow_native-0.2.0.x86_64.so', '2024-04-01T00:00:00.000000001')
    const before = await readdir(old)
    expect((await run()).stdout).to.match(/^1 plugin file imported, 1 here already, 0 refused/)
    expect(await readdir(old)).to.deep.equal(before)
    expect((await listed('native')).length).to.be.greaterThan(0)
  })

  it('a dry run reports the same and makes no storage', async () => {
    await add('libmemflow_coredump-0.2.0.x86_64.so', '2024-03-22T18:14:53.402258600')
    await add('libmemflow_coredump-0.2.1.x86_64.so', '2024-03-22T18:14:54', '3006020101020101')
    const { code, stdout } = await run('--dry-run')
    expect(stdout).to.match(/not imported: [0-9a-f]{64}: Signature error: file signature is invalid\n/)
    expect(stdout).to.match(/\n1 plugin file can be imported, 0 here already, 1 refused/)
    expect(code).to.equal(1)
    expect(await readdir(join(storage, '..'))).to.deep.equal([])
  })

  it('files that cannot be taken are reported one by one, and the others are imported', async () => {
    const damaged = await add('libmemflow_coredump-0.2.0.x86_64.so', '2024-03-22T18:14:53')
    await writeFile(join(old, `${damaged}.plugin`), 'rotten')
    const plain = await add('libplain.x86_64.so', '2024-03-22T18:14:54')
    const timeless = await add('libmemflow_coredump-0.2.1.arm64.so', 'yesterday')
    const [a, b, c] = ['a', 'b', 'c'].map(digit => digit.repeat(64))
    await writeFile(join(old, `${a}.plugin`), 'alone')
    await writeFile(join(old, `${b}.meta`), '{}')
    await writeFile(join(old, `${c}.meta`), '{"dig')
    await writeFile(join(old, `${c}.plugin`), 'x')
    await mkdir(join(old, `${'d'.repeat(64)}.meta`))
    await add('libmemflow_native-0.2.0.x86_64.so', '2024-04-01T00:00:00')
    const { code, stdout } = await run()
    for (const line of [
      `not imported: ${damaged}: its bytes do not have the digest that names it: it is damaged`,
      `not imported: ${plain}: it is not a memflow plugin: `,
      `not imported: ${timeless}: its time of upload, yesterday, is none`,
      `not imported: ${a}: its .meta file, which has the signature, is missing`,
      `not imported: ${b}: its .plugin file is missing: it was deleted there`,
      `not imported: ${c}: its .meta file cannot be read: `,
    ])
      expect(stdout).to.include(line)
    expect(stdout).to.match(/\n1 plugin file imported, 0 here already, 6 refused/)
    expect(code).to.equal(1)
    expect((await listed('native')).length).to.be.greaterThan(0)
  })

  it('a folder that is no storage of the original is refused with what to name', async () => {
    const { code, stderr } = await run()
    expect(stderr).to.match(
      /has no \{digest\}\.plugin or \{digest\}\.meta files: name the MEMFLOW_STORAGE_ROOT/,
    )
    expect(code).to.equal(2)
  })

  it('a start on the storage of the original is refused with the command that imports it', async () => {
    const digest = await add('libmemflow_coredump-0.2.0.x86_64.so', '2024-03-22T18:14:53')
    const { code, stderr } = await new Command(['serve'], old, { MEMFLOW_STORAGE_ROOT: old }).ended
    expect(stderr).to.include('memflow-registry import')
    expect(code).to.equal(2)
    expect(await readFile(join(old, `${digest}.meta`), 'utf8')).to.include(digest)
    expect(await readdir(old)).to.have.length(2)
  })
})
