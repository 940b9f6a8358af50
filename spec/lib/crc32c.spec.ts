import { expect } from 'chai'
import { crc32c } from '../../src/lib/crc32c.ts'

describe('lib/crc32c', () => {
  // RFC 3720, appendix B.4.
  for (const [what, bytes, sum] of [
    ['32 zeros', Buffer.alloc(32), 0x8a9136aa],
    ['32 ones', Buffer.alloc(32, 0xff), 0x62a8ab43],
    ['32 rising bytes', Buffer.from(Array.from({ length: 32 }, (_, i) => i)), 0x46dd794e],
    ['32 falling bytes', Buffer.from(Array.from({ length: 32 }, (_, i) => 31 - i)), 0x113fdb5c],
    ['123456789', Buffer.from('123456789'), 0xe3069283],
    ['nothing', Buffer.alloc(0), 0],
  ] as const) {
    it(`of ${what} is that of RFC 3720`, () => {
      expect(crc32c(bytes)).to.equal(sum)
    })
  }

  it('of bytes in the middle of others is theirs alone', () => {
    expect(crc32c(Buffer.from('xxx123456789x').subarray(3, 12))).to.equal(0xe3069283)
  })
})
