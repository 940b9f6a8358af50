import { utimes } from 'node:fs/promises'
import { join } from 'node:path'
import { expect } from 'chai'
import { continueClock } from '../../src/core/last-time.ts'
import { put } from '../../src/index/contract.ts'
import { LAST_TIME, LINKS, MANIFESTS } from '../../src/index/tables.ts'
import { FsBlobStore } from '../../src/store/fs-store.ts'
import { body } from '../support/blobs.ts'
import { ForwardClock } from '../support/clock.ts'
import { plugin } from '../support/plugins.ts'
import { registries, repo } from '../support/registry.ts'
import { storages } from '../support/storage.ts'

const HOUR = 3_600_000
const OLD = plugin('libmemflow_coredump-0.2.0.x86_64.so').bytes
const NEW = plugin('libmemflow_coredump-0.2.1.x86_64.so').bytes

describe('core/last-time', () => {
  const open = registries()
  const storage = storages()

  /** The registry after a restart, before which the clock of the system was put back by so many milliseconds. */
  async function restarted(index: Awaited<ReturnType<typeof open>>['index'], back: number) {
    const clock = new ForwardClock()
    clock.step(-back)
    const behind = await continueClock(index, clock)
    return { clock, behind }
  }

  for (const back of [1000, HOUR, 30 * 365 * 24 * HOUR]) {
    it(`lets the build that was pushed last be the newest when the clock was put back by ${back} ms`, async () => {
      const first = await open()
      const older = await first.pushPlugin('coredump', undefined, OLD)
      const { clock, behind } = await restarted(first.index, back)
      expect(Number(behind) / 1e6).to.be.within(back, back + 60_000)
      const second = await open({ index: first.index, store: first.store, clock })
      const newer = await second.pushPlugin('coredump', undefined, NEW)
      const rows = await second.rows(MANIFESTS)
      const pushed = (digest: string) => BigInt(rows[`coredump ${digest}`]?.pushed ?? 0)
      expect(pushed(newer.digest) > pushed(older.digest)).to.equal(true)
      expect(Object.values(await second.platforms('coredump', 'latest'))).to.deep.equal([newer.digest])
    })
  }

  it('is not behind when the clock is right, and notes no earlier time', async () => {
    const registry = await open()
    expect(await continueClock(registry.index, new ForwardClock())).to.equal(0n)
    await registry.pushImage('app', 'v1', [])
    const { time } = (await registry.index.get(LAST_TIME, 'given')) ?? { time: '' }
    expect((await restarted(registry.index, -HOUR)).behind).to.equal(0n)
    const { digest, bytes, mediaType } = await registry.manifests.get(repo('app'), 'v1' as never)
    expect(mediaType).not.to.equal('')
    const { parseManifest } = await import('../../src/oci/manifest.ts')
    await registry.manifests.keep(repo('b'), { digest, bytes, manifest: parseManifest(bytes, mediaType) }, 5n)
    expect(await registry.index.get(LAST_TIME, 'given')).to.deep.equal({ time })
  })

  it('keeps the grace period when the clock is put forward, and ends it when that time has passed', async () => {
    const clock = new ForwardClock()
    const registry = await open({ clock, ownStore: true, policy: { gcGrace: 24 * HOUR } })
    await registry.collector.begin()
    const { digest } = await registry.pushBlob('app', 'a layer')
    await registry.collector.collect()
    clock.step(48 * HOUR)
    await registry.collector.collect()
    expect(await registry.blobs.stat(repo('app'), digest)).to.equal(7)
    await registry.collector.collect()
    clock.pass(24 * HOUR)
    await registry.collector.collect()
    expect(await registry.rows(LINKS)).to.deep.equal({})
  })

  it('makes a note from the future anew, so that what it is about goes a grace period later', async () => {
    const clock = new ForwardClock()
    const registry = await open({ clock, ownStore: true, policy: { gcGrace: HOUR } })
    await registry.collector.begin()
    const { digest } = await registry.pushBlob('app', 'a layer')
    const unused = `${clock.now() + 10n ** 18n}`
    await registry.index.apply([put(LINKS, ['app', digest], { size: 7, unused })])
    await registry.collector.collect()
    clock.pass(HOUR)
    await registry.collector.collect()
    expect(await registry.rows(LINKS)).to.deep.equal({})
  })

  it('lets an upload expire by the time that has passed, not by where the clock was put', async () => {
    const root = await storage()
    const store = await FsBlobStore.open(root)
    const upload = await store.begin('going-on')
    await upload.append(body('a'), { max: 9 })
    const [past, future] = [-48, 48].map(hours => new Date(Date.now() + hours * HOUR)) as [Date, Date]
    const day = () => new Date(Date.now() - 24 * HOUR)
    // The clock was put forward by two days since it was written, or back.
    for (const written of [past, future]) {
      await utimes(join(root, 'uploads/going-on'), written, written)
      expect(await store.expireUploads(day())).to.equal(0)
    }
    const other = await FsBlobStore.open(root)
    const soon = new Date(Date.now() + HOUR)
    await utimes(join(root, 'uploads/going-on'), soon, soon)
    expect(await other.expireUploads(day())).to.equal(0)
    await utimes(join(root, 'uploads/going-on'), future, future)
    expect(await other.expireUploads(day())).to.equal(1)
  })
})
