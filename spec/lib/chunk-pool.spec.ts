import { expect } from 'chai'
import { CHUNK, giveBack, takeChunk } from '../../src/lib/chunk-pool.ts'

describe('lib/chunk-pool', () => {
  it('uses memory again that was given back', () => {
    const chunk = takeChunk()
    expect(chunk).to.have.length(CHUNK)
    giveBack(chunk.subarray(0, 10))
    expect(takeChunk().buffer).to.equal(chunk.buffer)
  })

  it('takes nothing that is not a chunk, and no more than a few', () => {
    giveBack(Buffer.alloc(10))
    giveBack(Buffer.alloc(2 * CHUNK).subarray(0, CHUNK))
    const taken = Array.from({ length: 40 }, () => takeChunk())
    for (const chunk of taken) expect(chunk.buffer.byteLength).to.equal(CHUNK)
    for (const chunk of taken) giveBack(chunk)
    const known = new Set(taken.map(({ buffer }) => buffer))
    const again = Array.from({ length: 40 }, () => known.has(takeChunk().buffer))
    expect(again.filter(kept => kept)).to.have.length(16)
  })
})
