import { randomBytes } from 'node:crypto'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { expect } from 'chai'
import { fixture } from '../support/fixtures.ts'
import { type Server, startServer } from '../support/server.ts'
import { Acknowledged } from './acknowledged.ts'
import { contentOf, MANIFEST, RegistryClient } from './registry-client.ts'
import { DISK_KINDS, SmallDisk } from './small-disk.ts'

const MIB = 1024 * 1024
const DISK = 64 * MIB
const BALLAST = 16 * MIB
const PLUGIN = fixture('libmemflow_coredump-0.2.0.x86_64.so').bytes

/** A disk that is filled up under a registry that runs, and emptied again: nothing acknowledged is lost on the way. */
for (const kind of DISK_KINDS) {
  for (const [limit, minFree] of [
    ['down to MEMFLOW_MIN_FREE_SPACE', '8MiB'],
    ['to its last byte', '0'],
  ] as const) {
    describe(`a full disk: ${kind}, ${limit}`, () => {
      const acknowledged = new Acknowledged()
      let folder = ''
      let disk: SmallDisk | undefined
      let server: Server
      let registry: RegistryClient

      const serve = async () => {
        server = await startServer(folder, {
          MEMFLOW_MIN_FREE_SPACE: minFree,
          MEMFLOW_LOG: 'error',
        })
        registry = new RegistryClient(server.url)
      }

      before(async function () {
        folder = join(await mkdtemp(join(tmpdir(), 'full-disk-')), 'disk')
        try {
          disk = await SmallDisk.mount(kind, folder, DISK)
        } catch (error) {
          console.log(`    cannot mount ${kind} here: ${(error as Error).message.trim().split('\n').pop()}`)
          this.skip()
        }
        await writeFile(join(folder, 'ballast'), randomBytes(BALLAST))
        await serve()
      })

      after(async () => {
        await server?.stop()
        await disk?.unmount()
        await rm(join(folder, '..'), { recursive: true, force: true })
      })

      it('pushes until 507', async () => {
        const first = await acknowledged.fill(registry, 2 * MIB)
        expect(first).to.equal(507)
        expect(acknowledged.size).to.be.at.least(4)
        // The last pages, too, by ever smaller artifacts.
        for (const size of [256 * 1024, 16 * 1024, 100]) {
          await acknowledged.fill(registry, size)
          expect(await acknowledged.fillIndex(registry, size)).to.equal(507)
          await acknowledged.check(registry)
        }
      })

      it('refuses writes of every kind with a body, or takes what still fits', async () => {
        const small = contentOf(randomBytes(100))
        for (const asking of [
          registry.ask('POST', '/v2/a/blobs/uploads/'),
          registry.ask('POST', `/v2/a/blobs/uploads/?digest=${small.digest}`, small.bytes),
          registry.put('a', 'again', acknowledged.manifest, MANIFEST),
          registry.publish(PLUGIN),
        ]) {
          const { status, bytes } = await asking
          if (status < 400) continue
          expect(status, `${bytes}`).to.equal(507)
          expect(`${bytes}`).to.include('the storage of this registry is full')
        }
      })

      it('reads everything that was acknowledged, is alive, and says why it is not ready', async () => {
        await acknowledged.check(registry)
        expect((await registry.get('/health')).status).to.equal(200)
        const { status, bytes } = await registry.get('/ready')
        // With bytes left that are too few for what was refused, small pushes are taken yet.
        expect(status).to.be.oneOf(minFree === '0' ? [200, 503] : [503])
        if (status === 503) expect(`${bytes}`).to.match(/^(?:blobs|index): .* is full.*since 20/m)
      })

      it('deletes', async () => {
        const { status } = await registry.delete('a', 'manifests', 'v0')
        expect(status).to.be.oneOf(minFree === '0' ? [202, 507] : [202])
        if (status === 202) acknowledged.forget('v0')
      })

      it('takes pushes again when there is space, without a restart', async () => {
        await rm(join(folder, 'ballast'))
        let status = 0
        for (let i = 0; i < 20 && status !== 201; i++) {
          status = await acknowledged.push(registry, MIB)
          await sleep(200)
        }
        expect(status, server.log()).to.equal(201)
        expect((await registry.publish(PLUGIN)).status).to.equal(200)
        while ((await registry.get('/ready')).status !== 200) await sleep(50)
        await acknowledged.check(registry)
      })

      it('has it all after a restart', async () => {
        await server.stop()
        await serve()
        await acknowledged.check(registry)
        expect(await acknowledged.push(registry, 1000)).to.equal(201)
      })
    })
  }
}
