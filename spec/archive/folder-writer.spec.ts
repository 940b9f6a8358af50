import { mkdir, readdir, readFile, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect } from 'chai'
import { FolderReader } from '../../src/archive/folder-reader.ts'
import { FolderWriter } from '../../src/archive/folder-writer.ts'
import { digestOf } from '../../src/oci/digest.ts'
import { layoutIndex, layoutPath } from '../../src/oci/layout.ts'
import { refusal } from '../support/refusal.ts'
import { once } from '../support/registry.ts'
import { tmpDir } from '../support/tmp.ts'

describe('archive/folder-writer', () => {
  const fresh = tmpDir()
  const [a, b] = [digestOf('a'), digestOf('b', 'sha512')]
  const index = layoutIndex([], [])
  let folder: string

  beforeEach(async () => {
    folder = join(await fresh(), 'backup')
  })

  async function write(...contents: string[]): Promise<void> {
    const writer = await FolderWriter.open(folder, [])
    for (const text of contents) {
      const digest = digestOf(text)
      if (!(await writer.has(digest, text.length))) await writer.put(digest, text.length, once(text))
    }
    await writer.finish(index)
  }

  it('writes what another reads, and leaves nothing else behind', async () => {
    const writer = await FolderWriter.open(folder, [])
    await writer.put(a, 1, once('a'))
    await writer.put(b, 1, once('b'))
    await writer.finish(index)
    expect((await readdir(folder, { recursive: true })).sort()).to.deep.equal(
      [
        'blobs',
        'blobs/sha256',
        'blobs/sha512',
        'index.json',
        layoutPath(a),
        layoutPath(b),
        'oci-layout',
      ].sort(),
    )
    expect(Buffer.from(await new FolderReader(folder).index()).toString()).to.equal(index)
  })

  it('does not write again what is there, nor keep what is no longer needed', async () => {
    await write('a', 'old')
    const before = await stat(join(folder, layoutPath(a)))
    await writeFile(join(folder, `${layoutPath(digestOf('half'))}.new`), 'ha')
    await writeFile(join(folder, 'blobs/sha256/README'), 'of the user')
    await write('a', 'new')
    expect((await stat(join(folder, layoutPath(a)))).ino).to.equal(before.ino)
    expect((await readdir(join(folder, 'blobs/sha256'))).sort()).to.deep.equal(
      ['a', 'new']
        .map(text => digestOf(text).slice(7))
        .concat('README')
        .sort(),
    )
  })

  it('writes again what has another size', async () => {
    await write('a')
    await writeFile(join(folder, layoutPath(a)), '')
    await write('a')
    expect(await readFile(join(folder, layoutPath(a)), 'utf8')).to.equal('a')
  })

  it('leaves nothing of bytes that break off, or are more or fewer', async () => {
    const writer = await FolderWriter.open(folder, [])
    const broken = async function* () {
      yield Buffer.from('a')
      throw new Error('broken')
    }
    expect(await refusal(writer.put(a, 2, broken()))).to.equal('broken')
    expect(await refusal(writer.put(a, 2, once('a')))).to.match(/has 1 bytes, and not 2/)
    expect(await writer.has(a, 1)).to.equal(false)
    expect(await readdir(join(folder, 'blobs/sha256'))).to.deep.equal([])
    await writer.abort()
  })

  it('keeps a second one out until the first is done, and not for ever', async () => {
    const first = await FolderWriter.open(folder, [])
    expect(await refusal(FolderWriter.open(folder, []))).to.match(/^process \d+ is writing it;/)
    await first.abort()
    await writeFile(join(folder, 'lock'), '4194305')
    await (await FolderWriter.open(folder, [])).abort()
  })

  for (const [what, prepare, error] of [
    [
      'that is not empty',
      async () => void (await writeFile(join(folder, 'notes.txt'), '')),
      /^it has something else in it; give another folder/,
    ],
    [
      'with a layout of another tool',
      async () => void (await writeFile(join(folder, 'index.json'), '{"schemaVersion":2,"manifests":[]}')),
      /^it has something else in it;/,
    ],
    [
      'with a layout of one repository',
      async () => void (await writeFile(join(folder, 'index.json'), layoutIndex([], ['app']))),
      /^it has a backup of app;/,
    ],
  ] as const) {
    it(`refuses a folder ${what}`, async () => {
      await mkdir(folder)
      await prepare()
      expect(await refusal(FolderWriter.open(folder, []))).to.match(error)
    })
  }

  it('goes on in a folder that a first backup has left when it was stopped', async () => {
    const stopped = await FolderWriter.open(folder, [])
    await stopped.put(a, 1, once('a'))
    await stopped.abort()
    const next = await FolderWriter.open(folder, [])
    expect(await next.has(a, 1)).to.equal(true)
    await next.abort()
  })
})
