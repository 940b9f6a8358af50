import { mkdir, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect } from 'chai'
import { fileSystem } from '../../src/lib/file-system.ts'
import { readWhole } from '../../src/lib/whole-file.ts'
import { openFiles } from '../support/open-files.ts'
import { refusal } from '../support/refusal.ts'
import { tmpDir } from '../support/tmp.ts'

describe('lib/whole-file', () => {
  const fresh = tmpDir()
  const bytes = Buffer.from(Array.from({ length: 65_536 }, (_, i) => i % 251))
  let path: string

  beforeEach(async () => {
    path = join(await fresh(), 'file')
    await writeFile(path, bytes)
  })

  it('gives the bytes, and what the system tells of the file', async () => {
    const file = await readWhole(fileSystem, path, bytes.length)
    expect(file?.bytes).to.deep.equal(bytes)
    expect(file?.stats.size).to.equal(bytes.length)
  })

  it('gives bytes of its own to each who asks', async () => {
    const files = await Promise.all([1, 2, 3].map(() => readWhole(fileSystem, path, bytes.length)))
    files[0]?.bytes.fill(0)
    for (const file of files.slice(1)) expect(file?.bytes).to.deep.equal(bytes)
  })

  it('may have nothing to give', async () => {
    await writeFile(path, '')
    expect((await readWhole(fileSystem, path, 0))?.bytes).to.have.length(0)
  })

  for (const [what, size] of [
    ['more', bytes.length - 1],
    ['less', bytes.length + 1],
  ] as const) {
    it(`gives nothing of a file that has ${what} than said`, async () => {
      expect(await readWhole(fileSystem, path, size)).to.equal(undefined)
    })
  }

  it('fails as the file system does', async () => {
    expect(await refusal(readWhole(fileSystem, `${path}-not`, 1))).to.match(/^ENOENT/)
    const folder = `${path}-folder`
    await mkdir(folder)
    expect(await refusal(readWhole(fileSystem, folder, (await stat(folder)).size))).to.match(/^EISDIR/)
  })

  it('leaves no file open', async () => {
    const before = await openFiles()
    for (const size of [bytes.length, 1]) await readWhole(fileSystem, path, size)
    await refusal(readWhole(fileSystem, `${path}-not`, 1))
    expect(await openFiles()).to.equal(before)
  })
})
