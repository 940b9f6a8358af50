import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { expect } from 'chai'
import { digestOf, hexOf } from '../../src/oci/digest.ts'
import { Command, type Ended } from '../support/command.ts'
import { upload } from '../support/form.ts'
import { pushArtifact } from '../support/oci.ts'
import { plugin } from '../support/plugins.ts'
import { blobFile, flip } from '../support/rot.ts'
import { type RunningRegistry, startRegistry } from '../support/server.ts'
import { storages } from '../support/storage.ts'
import { tmpDir } from '../support/tmp.ts'

const DONE =
  /^2 repositories, 2 manifests, 1 tag, 4 blobs \(\d\.\d KiB\), of them (\d) new \(.+\), in \d+\.\d s\n$/
const RESTORED = /^2 repositories, 2 manifests, 1 tag, 4 blobs \(\d\.\d KiB\), in \d+\.\d s\n$/

describe('commands/backup and restore', () => {
  const fresh = tmpDir()
  const freshStorage = storages()
  const binary = plugin('libmemflow_coredump-0.2.0.x86_64.so').bytes
  let storage: string
  let elsewhere: string

  const command = (args: readonly string[], env: Record<string, string> = {}): Promise<Ended> =>
    new Command(args, elsewhere, { MEMFLOW_STORAGE_ROOT: storage, MEMFLOW_LOG: 'off', ...env }).ended

  const restore = (root: string, ...args: string[]) =>
    command(['restore', ...args], { MEMFLOW_STORAGE_ROOT: root })

  async function filled(): Promise<RunningRegistry> {
    const registry = await startRegistry({ storage })
    await pushArtifact(registry, 'team/docs', 'v1')
    expect((await registry.write('POST', '/files', upload(binary, '00'))).text).to.equal('"Added"')
    return registry
  }

  /** What clients of both APIs see. */
  async function seen({ ask }: RunningRegistry): Promise<string[]> {
    const answers: string[] = []
    for (const path of [
      '/v2/_catalog',
      '/v2/team/docs/tags/list',
      '/v2/team/docs/manifests/v1',
      `/v2/team/docs/blobs/${digestOf('content')}`,
      '/v2/coredump/tags/list',
      '/v2/coredump/manifests/latest',
      '/plugins',
      '/plugins/coredump',
      `/files/${hexOf(digestOf(binary))}/metadata`,
      `/files/${hexOf(digestOf(binary))}/analysis`,
    ]) {
      const { status, bytes } = await ask('GET', path)
      expect(status, path).to.equal(200)
      answers.push(bytes.toString('latin1'))
    }
    return answers
  }

  beforeEach(async () => {
    storage = await freshStorage()
    elsewhere = await fresh()
  })

  for (const [name, instead] of [
    ['x.tar.gz', 'memflow-registry backup - | gzip > x.tar.gz'],
    ['x.tgz', 'memflow-registry backup - | gzip > x.tgz'],
    ['x.tar.zst', 'memflow-registry backup - | zstd > x.tar.zst'],
    ['x.zip', 'a folder, or a name that ends in .tar'],
  ] as const) {
    it(`backup ${name} -> 2 and what to write instead, and makes no folder`, async () => {
      expect(await command(['backup', name])).to.deep.equal({
        code: 2,
        stdout: '',
        stderr: `memflow-registry: ${name}: a backup is a folder or a plain tar; write instead: ${instead}\n`,
      })
      expect(await readdir(elsewhere)).to.deep.equal([])
    })
  }

  it('-> both APIs answer as before, to the byte; backed up while it is served, and while it is not', async () => {
    const registry = await filled()
    const before = await seen(registry)
    const env = { MEMFLOW_ADDR: new URL(registry.url).host, MEMFLOW_BEARER_TOKEN: registry.token }
    const served = await command(['backup', 'served'], env)
    expect(served).to.include({ code: 0, stderr: '' })
    expect(DONE.exec(served.stdout)?.[1]).to.equal('4')
    expect(await restore(storage, 'served')).to.include({ code: 2, stdout: '' })
    await registry.close()
    expect(DONE.exec((await command(['backup', 'served'])).stdout)?.[1]).to.equal('0')
    expect((await command(['backup', 'alone.tar'])).code).to.equal(0)
    for (const source of ['served', 'alone.tar']) {
      const root = join(elsewhere, `from-${source}`)
      const restored = await restore(root, source)
      expect(restored).to.include({ code: 0, stderr: '' })
      expect(restored.stdout).to.match(RESTORED)
      const target = await startRegistry({ storage: root })
      expect(await seen(target)).to.deep.equal(before)
      expect((await target.write('POST', '/ops/gc?dry-run')).status).to.equal(200)
      await target.close()
    }
  })

  it('to standard output -> a tar and nothing else', async () => {
    await (await filled()).close()
    const { code, stdout, stderr } = await command(['backup', '-'])
    expect(code).to.equal(0)
    expect(stderr).to.match(DONE)
    expect(stdout.slice(0, 6)).to.equal('blobs\0')
    expect(stdout).not.to.contain('repositories, ')
  })

  it('of a registry with a damaged blob -> 1, which one, and the rest; so does the restore', async () => {
    await (await filled()).close()
    const digest = digestOf('content')
    await flip(blobFile(storage, digest), 0)
    const backup = await command(['backup', 'full'])
    expect(backup.code).to.equal(1)
    expect(backup.stdout.split('\n').slice(0, 2)).to.deep.equal([
      `damaged: ${digest} (7 B), moved to ${join(storage, 'quarantine', digest.replace(':', '-'))}, push it again`,
      `lost: ${digest}, needed in team/docs; push it again`,
    ])
    expect(backup.stdout).to.match(/; 1 lacking\n$/)
    const { code, stdout } = await restore(join(elsewhere, 'new'), 'full')
    expect(code).to.equal(1)
    expect(stdout).to.match(
      new RegExp(`^not restored: ${digest}, needed in team/docs: missing\n.*; 1 not restored\n$`),
    )
  })

  it('of repositories that are not here -> 2, one line, and no file', async () => {
    expect(await command(['backup', 'x.tar', '--repository', 'nobody'])).to.deep.equal({
      code: 2,
      stdout: '',
      stderr: 'memflow-registry: x.tar: there is no repository nobody here\n',
    })
    expect(await readdir(elsewhere)).to.deep.equal([])
  })

  for (const [args, env, line] of [
    [['backup', 'x', '--repository', 'A'], {}, /^--repository: "A": a repository name is /],
    [['backup', 'x'], { MEMFLOW_STORAGE_ROOT: 'nowhere' }, /^MEMFLOW_STORAGE_ROOT: there is no nowhere$/],
    [['restore', 'nowhere'], {}, /^there is no nowhere$/],
  ] as const) {
    it(`${args.join(' ')} ${JSON.stringify(env)} -> 2 and one line`, async () => {
      const { code, stdout, stderr } = await command(args, env)
      expect(stderr.trimEnd().replace('memflow-registry: ', '')).to.match(line)
      expect({ code, stdout }).to.deep.equal({ code: 2, stdout: '' })
    })
  }

  it('restore of what is no layout -> 2 and one line', async () => {
    expect(await restore(storage, '.')).to.deep.equal({
      code: 2,
      stdout: '',
      stderr: 'memflow-registry: .: it has no oci-layout: it is no OCI image layout\n',
    })
  })
})
