import { Readable } from 'node:stream'
import { expect } from 'chai'
import { limited } from '../../src/lib/limited.ts'

describe('lib/limited', () => {
  const run = async (limit: number) => {
    const source = Readable.from([Buffer.from('ab'), Buffer.from('cd')])
    let seen = ''
    try {
      for await (const chunk of limited(source, limit, () => new Error('too much')))
        seen += Buffer.from(chunk)
    } catch (error) {
      return `${seen}, ${(error as Error).message}`
    }
    return seen
  }

  it('lets exactly the limit through', async () => {
    expect(await run(4)).to.equal('abcd')
    expect(await run(5)).to.equal('abcd')
  })

  it('throws in place of the chunk that goes past it', async () => {
    expect(await run(3)).to.equal('ab, too much')
    expect(await run(2)).to.equal('ab, too much')
    expect(await run(0)).to.equal(', too much')
  })
})
