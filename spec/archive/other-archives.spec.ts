import { expect } from 'chai'
import { otherArchiveOf } from '../../src/archive/other-archives.ts'
import { tarOf } from '../support/registry.ts'

/** First bytes of what the tools have written, in hex. */
const HEADS: Record<string, string> = {
  'a zip': '504b03040a0000000000',
  'an xz': 'fd377a585a000004e6d6b446',
  'an lzma': '5d00008000ffffffffffffffff00341a3d',
  'a bzip2': '425a68393141592653591d5e59d5',
  'a zstd': '28b52ffd045819000068690a343d5092',
  'an lz4': '04224d186440a70300008068690a0000',
  'an ar': '213c617263683e0a',
}

describe('archive/other-archives', () => {
  for (const [kind, hex] of Object.entries(HEADS)) {
    it(`${kind} is recognized by its first bytes`, () => {
      expect(otherArchiveOf(Buffer.from(hex, 'hex'))).to.equal(kind)
      expect(otherArchiveOf(Buffer.concat([Buffer.alloc(1), Buffer.from(hex, 'hex')]))).to.equal(undefined)
    })
  }

  it('a zstd that begins with a frame to pass over is recognized', () => {
    expect(otherArchiveOf(Buffer.from('512a4d1800000000', 'hex'))).to.equal('a zstd')
  })

  it('a tar of before POSIX is recognized by the sum of its header', async () => {
    const head = (await tarOf({ a: Buffer.from('text') })).subarray(0, 512)
    head.fill(0, 257, 265)
    head.fill(' ', 148, 156)
    const sum = head.reduce((total, byte) => total + byte, 0)
    head.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148)
    expect(otherArchiveOf(head)).to.equal('a tar of before POSIX')
    head[0] = 0xff
    expect(otherArchiveOf(head)).to.equal(undefined)
  })

  it('text, nothing, and zeros are no archives', () => {
    for (const head of [Buffer.from('{"a":1}'), Buffer.alloc(0), Buffer.alloc(512), Buffer.alloc(512, ' ')])
      expect(otherArchiveOf(head)).to.equal(undefined)
  })
})
