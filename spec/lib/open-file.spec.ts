import { randomBytes } from 'node:crypto'
import { mkdir, open, readFile, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect } from 'chai'
import { type OpenFile, openFile } from '../../src/lib/open-file.ts'
import { openFiles } from '../support/open-files.ts'
import { refusal } from '../support/refusal.ts'
import { tmpDir } from '../support/tmp.ts'

describe('lib/open-file', () => {
  const fresh = tmpDir()
  let path: string

  beforeEach(async () => {
    path = join(await fresh(), 'file')
  })

  for (const [what, opened] of [
    ['openFile', openFile],
    ['node:fs/promises', open],
  ] as const) {
    it(`writes, reads and cuts a file (${what})`, async () => {
      const file: OpenFile = await opened(path, 'wx+', 0o640)
      const chunks = ['ab', '', 'cd'].map(text => Buffer.from(text))
      expect((await file.writev(chunks, 2)).bytesWritten).to.equal(4)
      await file.datasync()
      await file.truncate(5)
      await file.sync()
      const buffer = Buffer.alloc(8, '.')
      expect((await file.read(buffer, 1, 7, 1)).bytesRead).to.equal(4)
      expect(buffer.toString('latin1')).to.equal('.\0abc...')
      expect((await file.stat()).size).to.equal(5)
      await file.utimes(new Date(1000), new Date(2000))
      await file.close()
      expect(await readFile(path, 'latin1')).to.equal('\0\0abc')
      const { mode, mtimeMs } = await stat(path)
      expect([mode & 0o777, mtimeMs]).to.deep.equal([0o640, 2000])
    })

    it(`fails as the system does (${what})`, async () => {
      expect(await refusal(opened(path, 'r'))).to.match(/^ENOENT: .*open/)
      await writeFile(path, '')
      expect(await refusal(opened(path, 'wx'))).to.match(/^EEXIST/)
      const file: OpenFile = await opened(path, 'r')
      expect(await refusal(file.writev([Buffer.from('a')], 0))).to.match(/^EBADF/)
      await file.close()
      const folder: OpenFile = await opened(await fresh(), 'r')
      expect(await refusal(folder.read(Buffer.alloc(1), 0, 1, 0))).to.match(/^EISDIR/)
      await folder.sync()
      await folder.close()
    })
  }

  it('is closed once, behind what is under way, and takes no more', async () => {
    const bytes = randomBytes(1 << 20)
    await writeFile(path, bytes)
    const file = await openFile(path, 'r')
    const before = await openFiles()
    const parts = Array.from({ length: 8 }, () => Buffer.alloc(bytes.length))
    let ended = 0
    const reads = parts.map(part => file.read(part, 0, part.length, 0).then(() => ended++))
    await Promise.all([file.close().then(() => expect(ended).to.equal(parts.length)), file.close()])
    await Promise.all(reads)
    for (const part of parts) expect(part.equals(bytes)).to.equal(true)
    expect(await openFiles()).to.equal(before - 1)
    for (const late of [
      file.read(Buffer.alloc(1), 0, 1, 0),
      file.writev([Buffer.alloc(1)], 0),
      file.stat(),
      file.truncate(0),
      file.utimes(new Date(), new Date()),
      file.datasync(),
      file.sync(),
    ])
      expect(await refusal(late)).to.match(/^EBADF/)
    await file.close()
  })

  it('keeps what comes late from the file that has its number then', async () => {
    await mkdir(`${path}-folder`)
    const file = await openFile(path, 'w')
    await file.close()
    const others = await Promise.all(Array.from({ length: 4 }, (_, n) => openFile(`${path}-${n}`, 'w')))
    expect(await refusal(file.writev([Buffer.from('late')], 0))).to.match(/^EBADF/)
    for (const other of others) {
      expect((await other.stat()).size).to.equal(0)
      await other.close()
    }
  })
})
