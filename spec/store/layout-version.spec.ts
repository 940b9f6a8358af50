import { readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect } from 'chai'
import { FsBlobStore } from '../../src/store/fs-store.ts'
import { push } from '../support/blobs.ts'
import { FaultyFs } from '../support/faults.ts'
import { refusal } from '../support/refusal.ts'
import { tmpDir } from '../support/tmp.ts'

describe('store/layout-version', () => {
  const fresh = tmpDir()
  let root: string

  const version = () => readFile(join(root, 'layout'), 'utf8')

  beforeEach(async () => {
    root = await fresh()
  })

  it('a new storage gets the version, durably, and keeps it', async () => {
    const { fs, calls } = new FaultyFs(root)
    await FsBlobStore.open(root, { fs })
    expect(await version()).to.equal('{"version":1}\n')
    const changes = calls.filter(call => /^(writev|datasync|rename|sync) /.test(call))
    expect(changes.slice(0, 4)).to.deep.equal([
      'writev layout.new',
      'datasync layout.new',
      'rename layout.new layout',
      'sync .',
    ])
    await FsBlobStore.open(root)
    expect(await version()).to.equal('{"version":1}\n')
  })

  it('a storage from before there were versions gets it, and so does one whose start was broken off', async () => {
    const info = await push(await FsBlobStore.open(root), Buffer.from('abc'))
    await rm(join(root, 'layout'))
    await writeFile(join(root, 'layout.new'), '{"ver')
    expect(await (await FsBlobStore.open(root)).stat(info.digest)).to.deep.equal(info)
    expect(await version()).to.equal('{"version":1}\n')
  })

  it('a newer one is refused in one line that says what to do, and nothing is touched', async () => {
    await writeFile(join(root, 'layout'), '{"version":2,"more":true}')
    expect(await refusal(FsBlobStore.open(root))).to.equal(
      'its layout is version 2 and this program knows 1: start a newer memflow-registry, or restore a backup',
    )
    expect(await readdir(root)).to.deep.equal(['layout'])
    expect(await version()).to.equal('{"version":2,"more":true}')
  })

  for (const text of ['', 'garbage', 'null', '{}', '{"version":0}', '{"version":"1"}', '{"version":1.5}']) {
    it(`${text || 'nothing'} in its place is refused`, async () => {
      await writeFile(join(root, 'layout'), text)
      expect(await refusal(FsBlobStore.open(root))).to.match(
        /layout is damaged: write \{"version":1\} into it$/,
      )
    })
  }
})
