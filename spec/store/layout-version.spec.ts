import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises'
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

  it('a storage whose first start was cut off is opened', async () => {
    await writeFile(join(root, 'layout.new'), '{"ver')
    const info = await push(await FsBlobStore.open(root), Buffer.from('abc'))
    expect(await version()).to.equal('{"version":1}\n')
    expect(await (await FsBlobStore.open(root)).stat(info.digest)).to.deep.equal(info)
  })

  it('the root of a new ext4 file system is an empty folder', async () => {
    await mkdir(join(root, 'lost+found'))
    await FsBlobStore.open(root)
    expect(await version()).to.equal('{"version":1}\n')
  })

  it('a storage that has lost its layout file is refused with what to write', async () => {
    await FsBlobStore.open(root)
    await mkdir(join(root, 'journal'))
    await rm(join(root, 'layout'))
    expect(await refusal(FsBlobStore.open(root))).to.equal(
      'its file layout is missing: write {"version":1} into it',
    )
  })

  for (const [name, what] of [
    [
      'passwd',
      /^it is not empty and not a storage of this registry \(it has passwd\): name an empty or new folder$/,
    ],
    ['uploads', /^it is not empty and not a storage of this registry \(it has uploads\)/],
    [
      `${'a'.repeat(64)}.meta`,
      /^it is the storage of the original memflow-registry: .+ memflow-registry import \//,
    ],
    [`${'0'.repeat(64)}.plugin`, /^it is the storage of the original memflow-registry/],
  ] as const) {
    it(`a folder with ${name.slice(-10)} of others is refused, and nothing is touched`, async () => {
      await writeFile(join(root, name), 'theirs')
      expect(await refusal(FsBlobStore.open(root))).to.match(what)
      expect(await readdir(root)).to.deep.equal([name])
    })
  }

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
