import { existsSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { expect } from 'chai'
import { openLevel } from '../../src/index/level-db.ts'
import { digestOf } from '../../src/oci/digest.ts'
import { Command, type Ended } from '../support/command.ts'
import { upload } from '../support/form.ts'
import { pushArtifact } from '../support/oci.ts'
import { plugin } from '../support/plugins.ts'
import { blobFile, flip } from '../support/rot.ts'
import { type RunningRegistry, startRegistry } from '../support/server.ts'
import { storages } from '../support/storage.ts'

describe('commands/fsck', () => {
  const fresh = storages()
  let storage: string

  const run = (...args: string[]): Promise<Ended> =>
    new Command(args, storage, { MEMFLOW_STORAGE_ROOT: storage, MEMFLOW_LOG: 'off' }).ended

  beforeEach(async () => {
    storage = await fresh()
    const registry = await startRegistry({ storage })
    await pushArtifact(registry, 'app', 'v1')
    await registry.close()
  })

  async function loseRow(key: string): Promise<void> {
    const level = await openLevel(join(storage, 'index'))
    await level.del(key)
    await level.close()
  }

  it('of an index that is right -> 0 and one line', async () => {
    expect(await run('fsck')).to.deep.equal({
      code: 0,
      stdout: '1 repository, 1 manifest, 2 blobs: all is right\n',
      stderr: '',
    })
  })

  it('of one that is not -> 1 and a line for each finding; --repair -> 0, and what is left none', async () => {
    const layer = digestOf('content')
    await loseRow('tag\0app\0v1')
    await loseRow(`holder\0${layer}\0app`)
    const lines = [
      'tag app v1: missing; the tag is not where it was pushed to',
      `holder ${layer} app: missing; mounts and garbage collection go wrong`,
    ]
    const found = await run('fsck')
    expect(found.code).to.equal(1)
    expect(found.stdout.split('\n')).to.deep.equal([
      ...lines,
      '1 repository, 1 manifest, 2 blobs: 2 findings, of which memflow-registry fsck --repair repairs 2',
      '',
    ])
    const repaired = await run('fsck', '--repair')
    expect(repaired.code).to.equal(0)
    expect(repaired.stdout.split('\n')).to.deep.equal([
      ...lines,
      '1 repository, 1 manifest, 2 blobs: 2 findings, 2 repaired, 0 left',
      '',
    ])
    expect((await run('fsck')).stdout).to.match(/: all is right\n$/)
    const registry: RunningRegistry = await startRegistry({ storage })
    expect((await registry.ask('GET', '/v2/app/manifests/v1')).status).to.equal(200)
    await registry.close()
  })

  it('of a damaged blob -> a finding and no line of the log; the file stays in its place until --repair', async () => {
    const registry = await startRegistry({ storage })
    const { bytes } = plugin('libmemflow_coredump-0.2.0.x86_64.so')
    await registry.write('POST', '/files', upload(bytes, '00'))
    await registry.close()
    const file = blobFile(storage, digestOf(bytes))
    await flip(file, 100)
    const level = await openLevel(join(storage, 'index'))
    // What is known of it would spare the look at its bytes.
    await level.clear({ gte: 'verdict', lt: 'verdicu' })
    await level.close()
    const fsck = (...args: string[]) =>
      new Command(['fsck', ...args], storage, { MEMFLOW_STORAGE_ROOT: storage }).ended
    for (const _ of [1, 2]) {
      const { code, stdout, stderr } = await fsck()
      expect({ code, stderr }).to.deep.equal({ code: 1, stderr: '' })
      expect(stdout.split('\n')[0]).to.equal(`blob ${digestOf(bytes)}: its file is damaged; push it again`)
      expect(stdout).not.to.include('{')
      expect(existsSync(file)).to.equal(true)
    }
    await fsck('--repair')
    expect(existsSync(file)).to.equal(false)
  })

  it('--repair of what nobody can make anew -> 1, and what to do', async () => {
    const layer = digestOf('content')
    await rm(blobFile(storage, layer))
    const { code, stdout } = await run('fsck', '--repair')
    expect(stdout.split('\n')).to.deep.equal([
      `blob ${layer}: its file is missing, and app holds it; push it again`,
      '1 repository, 1 manifest, 2 blobs: 1 finding, 0 repaired, 1 left',
      '',
    ])
    expect(code).to.equal(1)
  })

  it('while the registry serves, of no storage, of an index that cannot be opened -> 2 and one line', async () => {
    const registry = await startRegistry({ storage })
    const refusals = [await run('fsck'), await run('reindex', '--from-journal')]
    await registry.close()
    for (const { code, stdout, stderr } of refusals) {
      expect([code, stdout]).to.deep.equal([2, ''])
      expect(stderr).to.match(
        /^memflow-registry: MEMFLOW_STORAGE_ROOT: \S+ cannot be used: another process is serving it\n$/,
      )
    }
    await rm(join(storage, 'index', 'CURRENT'))
    const damaged = await run('fsck')
    expect(damaged.code).to.equal(2)
    expect(damaged.stderr).to.match(/^memflow-registry: [^\n]+memflow-registry reindex --from-journal\n$/)
    const missing = join(storage, 'missing')
    const nowhere = await new Command(['fsck'], '/', { MEMFLOW_STORAGE_ROOT: missing }).ended
    expect(nowhere).to.deep.equal({
      code: 2,
      stdout: '',
      stderr: `memflow-registry: MEMFLOW_STORAGE_ROOT: there is no ${missing}\n`,
    })
  })
})
