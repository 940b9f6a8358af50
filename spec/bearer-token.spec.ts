import { chmod, readdir, readFile, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect } from 'chai'
import { keptToken } from '../src/bearer-token.ts'
import { refusal } from './support/refusal.ts'
import { tmpDir } from './support/tmp.ts'

describe('bearer-token', () => {
  const fresh = tmpDir()
  let root: string

  beforeEach(async () => {
    root = join(await fresh(), 'made', 'by-itself')
  })

  const mode = async () => (await stat(join(root, 'bearer-token'))).mode & 0o777

  it('is made at the first start, and kept', async () => {
    const first = await keptToken(root)
    expect(first).to.include({ file: join(root, 'bearer-token'), fresh: true })
    expect(first.token).to.match(/^[0-9a-f]{64}$/)
    expect(await keptToken(root)).to.deep.equal({ ...first, fresh: false })
    expect(await readFile(first.file, 'utf8')).to.equal(`${first.token}\n`)
  })

  it('is another one in another storage folder', async () => {
    const { token } = await keptToken(root)
    expect((await keptToken(join(root, 'other'))).token).not.to.equal(token)
  })

  it('is for the eyes of its owner only, also where somebody has opened it', async () => {
    const { file } = await keptToken(root)
    expect(await mode()).to.equal(0o600)
    await chmod(file, 0o644)
    await keptToken(root)
    expect(await mode()).to.equal(0o600)
  })

  it('may be written by hand, with or without a line end', async () => {
    const { file } = await keptToken(root)
    for (const text of ['my own', 'my own\n', ' my own \r\n']) {
      await writeFile(file, text)
      expect(await keptToken(root)).to.include({ token: 'my own', fresh: false })
    }
  })

  it('that is empty is no token: one line says what to do', async () => {
    const { file } = await keptToken(root)
    await writeFile(file, '\n')
    expect(await refusal(keptToken(root))).to.equal(`${file} is empty: remove it, and a new token is made`)
  })

  it('is one, however many start at once', async () => {
    await keptToken(join(root, 'warm'))
    const outcomes = await Promise.allSettled(Array.from({ length: 8 }, () => keptToken(root)))
    const tokens = outcomes.flatMap(outcome => (outcome.status === 'fulfilled' ? [outcome.value] : []))
    expect(tokens.filter(({ fresh: made }) => made)).to.have.length(1)
    expect(new Set(tokens.map(({ token }) => token))).to.have.length(1)
    expect(await readdir(root)).to.have.members(['bearer-token', 'warm'])
  })

  it('passes errors of the disk on', async () => {
    await keptToken(root)
    expect(await refusal(keptToken(join(root, 'bearer-token')))).to.match(/EEXIST|ENOTDIR/)
  })
})
