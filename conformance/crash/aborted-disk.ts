import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect } from 'chai'
import { type Server, startServer } from '../support/server.ts'
import { Acknowledged } from './acknowledged.ts'
import { RegistryClient } from './registry-client.ts'
import { run, SmallDisk } from './small-disk.ts'

/** ext4 after an error of its own: it takes no writes any more, whatever is open, and fails every sync. */
describe('a file system that has made itself read-only', () => {
  const acknowledged = new Acknowledged()
  let folder = ''
  let disk: SmallDisk | undefined
  let server: Server
  let registry: RegistryClient

  before(async function () {
    folder = join(await mkdtemp(join(tmpdir(), 'aborted-disk-')), 'disk')
    try {
      disk = await SmallDisk.mount('ext4', folder, 64 * 2 ** 20)
    } catch (error) {
      console.log(`    cannot mount ext4 here: ${(error as Error).message.trim().split('\n').pop()}`)
      this.skip()
    }
    server = await startServer(folder, { MEMFLOW_MIN_FREE_SPACE: '0', MEMFLOW_LOG: 'error' })
    registry = new RegistryClient(server.url)
    for (let i = 0; i < 5; i++) expect(await acknowledged.push(registry, 100_000)).to.equal(201)
    // Fails, as it should: the remount is refused, and the file system aborted.
    await run('mount', ['-o', 'remount,abort', folder]).catch(() => {})
  })

  after(async () => {
    await server?.stop()
    await disk?.unmount()
    await rm(join(folder, '..'), { recursive: true, force: true })
  })

  it('refuses pushes and says why', async () => {
    for (let i = 0; i < 5; i++) expect(await acknowledged.push(registry, 1000)).to.equal(503)
    expect(await acknowledged.pushText(registry, 1000)).to.equal(503)
    const { status, bytes } = await registry.get('/ready')
    expect(status).to.equal(503)
    expect(`${bytes}`).to.match(/^(?:blobs|index): the storage failed \(E(?:ROFS|IO)\)/m)
  })

  it('reads everything that was acknowledged, and is alive', async () => {
    await acknowledged.check(registry)
    expect((await registry.get('/health')).status).to.equal(200)
  })
})
