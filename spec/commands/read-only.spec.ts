import { execFile } from 'node:child_process'
import { chmod } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { expect } from 'chai'
import { digestOf, hexOf } from '../../src/oci/digest.ts'
import { ask } from '../support/ask.ts'
import { Command, type Ended } from '../support/command.ts'
import { upload } from '../support/form.ts'
import { mountTmpfs } from '../support/mounted.ts'
import { pushArtifact } from '../support/oci.ts'
import { plugin } from '../support/plugins.ts'
import { blobFile, flip } from '../support/rot.ts'
import { startRegistry } from '../support/server.ts'
import { tmpDir } from '../support/tmp.ts'

const run = promisify(execFile)

describe('a storage on a read-only disk', () => {
  // Before the folders are removed.
  after(() => mounted?.unmount())

  const fresh = tmpDir()
  const { bytes } = plugin('libmemflow_coredump-0.2.0.x86_64.so')
  const digest = digestOf(bytes)
  let folder: string
  let disk: string
  let mounted: { unmount(): Promise<void> } | undefined

  const command = (...args: string[]): Command =>
    new Command(args, folder, {
      MEMFLOW_STORAGE_ROOT: join(disk, 'storage'),
      MEMFLOW_ADDR: '127.0.0.1:0',
      MEMFLOW_BEARER_TOKEN: 'given',
      TMPDIR: folder,
    })

  before(async function () {
    folder = await fresh()
    disk = join(await fresh(), 'disk')
    mounted = await mountTmpfs(disk, 64 * 2 ** 20)
    if (!mounted) return this.skip()
    const registry = await startRegistry({ storage: await fresh() })
    await pushArtifact(registry, 'app', 'v1')
    await registry.write('POST', '/files', upload(bytes, '00'))
    await registry.close()
    await run('cp', ['-a', registry.storage, join(disk, 'storage')])
    await run('mount', ['-o', 'remount,ro', disk])
  })

  it('is served to readers; writers get 503 with the reason, which /ready tells as well', async () => {
    const serving = command('serve')
    const url = await serving.url()
    expect((await ask(url, 'GET', '/v2/app/manifests/v1')).status).to.equal(200)
    expect((await ask(url, 'GET', `/v2/app/blobs/${digestOf('content')}`)).text).to.equal('content')
    expect((await ask(url, 'HEAD', `/v2/app/blobs/${digestOf('content')}`)).status).to.equal(200)
    expect((await ask(url, 'GET', `/files/${hexOf(digest)}`)).bytes.equals(bytes)).to.equal(true)
    expect((await ask(url, 'GET', '/plugins')).text).to.include('coredump')
    expect((await ask(url, 'GET', `/files/${hexOf(digest)}/analysis`)).status).to.equal(200)
    const headers = { authorization: 'Bearer given' }
    for (const [method, path] of [
      ['POST', '/v2/app/blobs/uploads/'],
      ['DELETE', '/v2/app/manifests/v1'],
      ['DELETE', `/files/${hexOf(digest)}`],
    ] as const) {
      const refused = await ask(url, method, path, { headers })
      expect(refused.status, `${method} ${path}`).to.equal(503)
      expect(refused.text).to.include('read-only')
    }
    expect((await ask(url, 'GET', '/health')).status).to.equal(200)
    const ready = await ask(url, 'GET', '/ready')
    expect(ready.status).to.equal(503)
    expect(ready.text).to.match(/^blobs: [^\n]+its file system is read-only[^\n]+\nindex: [^\n]+read-only/)
    const { code, stderr } = await serving.stop()
    expect(code).to.equal(0)
    const warnings = stderr.split('\n').filter(line => /"level":"(?:warn|error)"/.test(line))
    expect(warnings.map(line => JSON.parse(line).msg)).to.deep.equal([
      'the storage is read-only (its file system is read-only); this registry serves reads alone until it is started with one that it can write',
      'no public key is set (MEMFLOW_PUBLIC_KEY_FILE): signatures are not verified',
    ])
  })

  it('is checked by fsck and scrub, and backed up', async () => {
    const ended: Record<string, Ended> = {}
    for (const args of [['fsck'], ['scrub'], ['backup', 'copy'], ['gc', '--dry-run']])
      ended[args[0] as string] = await command(...args).ended
    expect(Object.entries(ended).map(([name, { code, stderr }]) => [name, code, stderr])).to.deep.equal(
      ['fsck', 'scrub', 'backup', 'gc'].map(name => [name, 0, '']),
    )
    expect(ended.fsck?.stdout).to.match(/^2 repositories, [^\n]+: all is right\n$/)
    expect(ended.scrub?.stdout).to.match(/: all whole\n$/)
  })

  it('is not repaired: 2 and one line', async () => {
    const { code, stderr } = await command('fsck', '--repair').ended
    expect(code).to.equal(2)
    expect(stderr).to.match(/^memflow-registry: --repair: [^\n]+ its file system is read-only; [^\n]+\n$/)
  })

  it('damage in it is found, and stays in its place', async () => {
    await run('mount', ['-o', 'remount,rw', disk])
    await flip(blobFile(join(disk, 'storage'), digestOf('content')), 0)
    await run('mount', ['-o', 'remount,ro', disk])
    const { code, stdout } = await command('scrub').ended
    expect(code).to.equal(1)
    expect(stdout).to.match(/^damaged: sha256:\S+ \(7 B\), not moved: [^\n]+read-only[^\n]+\n/)
  })
})

describe('a start on a disk that is full to its last byte', () => {
  let mounted: { unmount(): Promise<void> } | undefined
  after(() => mounted?.unmount())
  const fresh = tmpDir()

  it('serves reads, and /ready says why nothing is written', async function () {
    const folder = await fresh()
    const disk = join(await fresh(), 'disk')
    mounted = await mountTmpfs(disk, 16 * 2 ** 20)
    if (!mounted) return this.skip()
    const registry = await startRegistry({ storage: await fresh() })
    await pushArtifact(registry, 'app', 'v1')
    await registry.close()
    await run('cp', ['-a', registry.storage, join(disk, 'storage')])
    await run('dd', ['if=/dev/zero', `of=${join(disk, 'filler')}`, 'bs=4096']).catch(() => {})
    const serving = new Command(['serve'], folder, {
      MEMFLOW_STORAGE_ROOT: join(disk, 'storage'),
      MEMFLOW_ADDR: '127.0.0.1:0',
      MEMFLOW_BEARER_TOKEN: 'given',
      TMPDIR: folder,
    })
    const url = await serving.url()
    expect((await ask(url, 'GET', '/v2/app/manifests/v1')).status).to.equal(200)
    expect((await ask(url, 'GET', `/v2/app/blobs/${digestOf('content')}`)).text).to.equal('content')
    const ready = await ask(url, 'GET', '/ready')
    expect(ready.status).to.equal(503)
    expect(ready.text).to.match(/full/)
    expect(await serving.stop()).to.include({ code: 0 })
  })
})

describe('a storage that this user may only read', () => {
  const fresh = tmpDir()

  it('is served to readers, also while its owner serves it', async function () {
    if (process.geteuid?.() !== 0) return this.skip()
    const [storage, folder] = [await fresh(), await fresh()]
    await chmod(storage, 0o755)
    await chmod(folder, 0o777)
    const registry = await startRegistry({ storage })
    await pushArtifact(registry, 'app', 'v1')
    await run('chmod', ['-R', 'a+rX', storage])
    const reading = new Command(
      ['serve'],
      folder,
      { MEMFLOW_STORAGE_ROOT: storage, MEMFLOW_ADDR: '127.0.0.1:0', TMPDIR: tmpdir() },
      undefined,
      65534,
    )
    try {
      const url = await reading.url()
      expect((await ask(url, 'GET', '/v2/app/manifests/v1')).status).to.equal(200)
      expect((await ask(url, 'GET', '/ready')).text).to.include('this user may not write to it')
      expect(await reading.stop()).to.include({ code: 0 })
      expect((await registry.ask('GET', '/ready')).status).to.equal(200)
    } finally {
      await reading.stop('SIGKILL')
      await registry.close()
    }
  })
})
