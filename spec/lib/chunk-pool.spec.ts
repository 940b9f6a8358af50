import { expect } from 'chai'
import { CHUNK, chunkSize, giveBack, takeChunk } from '../../src/lib/chunk-pool.ts'

describe('lib/chunk-pool', () => {
  it('uses memory again that was given back', () => {
    const chunk = takeChunk()
    expect(chunk).to.have.length(CHUNK)
    giveBack(chunk.subarray(0, 10))
    expect(takeChunk().buffer).to.equal(chunk.buffer)
  })

  it('has chunks of three sizes', () => {
    expect([1, 16_384, 16_385, 65_536, 65_537, CHUNK, 2 * CHUNK].map(chunkSize)).to.deep.equal([
      16_384,
      16_384,
      65_536,
      65_536,
      CHUNK,
      CHUNK,
      CHUNK,
    ])
    expect(takeChunk(20_000)).to.have.length(65_536)
  })

  it('takes back nothing that it did not hand out, and nothing twice', () => {
    const foreign = Buffer.allocUnsafeSlow(65_536)
    giveBack(foreign)
    const own = takeChunk(65_536)
    giveBack(own)
    giveBack(own)
    const next = [takeChunk(65_536), takeChunk(65_536)]
    expect(next.filter(({ buffer }) => buffer === own.buffer)).to.have.length(1)
    expect(next.filter(({ buffer }) => buffer === foreign.buffer)).to.have.length(0)
  })

  it('keeps a limited number of spare chunks', () => {
    const chunks = Array.from({ length: 150 }, () => takeChunk())
    const known = new Set(chunks.map(({ buffer }) => buffer))
    for (const chunk of chunks) giveBack(chunk)
    const again = Array.from({ length: 150 }, () => takeChunk())
    expect(again.filter(({ buffer }) => known.has(buffer))).to.have.length(96)
  })
})
