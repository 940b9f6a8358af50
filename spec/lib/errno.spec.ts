import { readFile } from 'node:fs/promises'
import { expect } from 'chai'
import { errno, orAbsent } from '../../src/lib/errno.ts'

describe('lib/errno', () => {
  it('reads the code of a system error', async () => {
    expect(errno(await readFile('/').catch(error => error))).to.equal('EISDIR')
    for (const other of [new Error('x'), undefined, 'ENOENT', Object.assign(new Error('x'), { code: 7 })]) {
      expect(errno(other)).to.equal(undefined)
    }
  })

  it('turns a missing path to undefined, and nothing else', async () => {
    expect(await orAbsent(readFile('/no/such/file'))).to.equal(undefined)
    expect(await orAbsent(Promise.resolve(1))).to.equal(1)
    const failure = await orAbsent(readFile('/')).catch(error => error)
    expect(errno(failure)).to.equal('EISDIR')
  })
})
