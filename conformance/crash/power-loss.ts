import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect } from 'chai'
import { Survivor } from '../../spec/support/survivor.ts'
import { tmpDir } from '../../spec/support/tmp.ts'
import { restoreLevel } from './level-copy.ts'
import { Recording } from './recording.ts'
import { openStorage } from './storage.ts'
import { beginUpload, type OpenUpload, Survival } from './survival.ts'
import { type Step, wholePush } from './whole-push.ts'

/** So small that a push begins many segments, and has snapshots made. */
const LIMITS = { segment: 4000, snapshot: 10_000 }

/** The folders of blobs are all made alike: one stands for them. */
const ALIKE = /^mkdir blobs\/(?:sha256\/(?!80)|sha512\/)/

describe('power loss behind any operation loses nothing that was acknowledged', () => {
  const fresh = tmpDir()
  const steps = wholePush('1')
  /** Where each step ends. */
  const ends: number[] = []
  let root: string
  let survivor: Survivor
  let recording: Recording
  let upload: OpenUpload
  let started = 0

  before(async () => {
    root = await fresh()
    survivor = new Survivor(await fresh())
    recording = new Recording(root)
    const registry = await openStorage(root, { fs: recording.fs, limits: LIMITS })
    started = recording.moments.length
    recording.ledger.watch(registry.index)
    upload = await beginUpload(registry, 'open', Buffer.from('an upload that goes on, '.repeat(50)))
    for (const step of steps) {
      await step.run(registry)
      ends.push(recording.moments.length)
    }
    await registry.close()
  })

  it('(by a model that has what the real folder has)', async () => {
    for (const [path, { bytes }] of recording.now().files)
      expect(await readFile(join(root, path)), path).to.deep.equal(bytes)
  })

  it('of a first start', async () => {
    const survival = new Survival(survivor, recording)
    const moments = recording.moments.slice(0, started).filter(({ call }) => !ALIKE.test(call))
    for (const moment of moments) await survival.expectAt(moment, steps[0] as Step)
    tell(moments.length, survival)
  })

  // LevelDB syncs what is in its folder, and not the folder's own name.
  it('of a first start, and so the folder of LevelDB is there', () => {
    for (const { call, left } of recording.moments.slice(started))
      for (const { image } of left) expect(image.folders, call).to.include('index')
  })

  it('of a start that mends a torn journal, and of what follows', async () => {
    const torn = recording.moments.slice(0, ends[4]).findLast(({ call }) => call.startsWith('writev journal'))
    const images = (torn?.left ?? []).filter(({ model }) => /bytes (?:garbage|cut in half)$/.test(model))
    expect(images).not.to.have.length(0)
    for (const { image } of images) {
      const { root } = await new Survivor(await fresh()).become(image)
      await restoreLevel(join(root, 'index'), torn?.level.synced)
      const second = new Recording(root, image)
      second.ledger.changes.push(...recording.ledger.changes.slice(0, torn?.made))
      const registry = await openStorage(root, { fs: second.fs })
      second.ledger.watch(registry.index)
      await (steps[5] as Step).run(registry)
      await registry.close()
      const survival = new Survival(survivor, second, upload)
      for (const moment of second.moments) await survival.expectAt(moment, steps[5] as Step)
      tell(second.moments.length, survival)
    }
  })

  for (const [i, step] of [...steps, { name: 'the end', run: steps[0]?.run } as Step].entries()) {
    it(`of ${step.name}`, async () => {
      const survival = new Survival(survivor, recording, upload)
      const moments = recording.moments.slice(ends[i - 1] ?? started, ends[i])
      for (const moment of moments) await survival.expectAt(moment, step)
      tell(moments.length, survival)
    })
  }
})

function tell(moments: number, survival: Survival): void {
  expect(moments).to.be.above(0)
  console.log(`      ${moments} operations, ${survival.count} states of the disk`)
}
