import { expect } from 'chai'
import fc from 'fast-check'
import { RegistryError } from '../../src/oci/errors.ts'
import { parseChunkRange, parseRanges } from '../../src/oci/range.ts'
import { cheapestMs } from '../support/processor-time.ts'

type Row = [
  header: string | undefined,
  size: number,
  expected: readonly (readonly [number, number])[] | 'whole' | 416,
]

/** RFC 9110, 14.1.2 and 14.2, for content of that size. */
const TABLE: Row[] = [
  [undefined, 10, 'whole'],
  ['', 10, 'whole'],
  ['bytes=0-0', 10, [[0, 0]]],
  ['bytes=0-4', 10, [[0, 4]]],
  ['bytes=4-4', 10, [[4, 4]]],
  ['bytes=0-', 10, [[0, 9]]],
  ['bytes=9-', 10, [[9, 9]]],
  ['bytes=9-9', 10, [[9, 9]]],
  ['bytes=0-9', 10, [[0, 9]]],
  ['bytes=0-10', 10, [[0, 9]]],
  ['bytes=5-99999999999999999999999999', 10, [[5, 9]]],
  ['bytes=00-04', 10, [[0, 4]]],
  ['bytes=-1', 10, [[9, 9]]],
  ['bytes=-10', 10, [[0, 9]]],
  ['bytes=-99999999999999999999', 10, [[0, 9]]],
  ['BYTES=0-4', 10, [[0, 4]]],
  ['bytes=10-', 10, 416],
  ['bytes=10-20', 10, 416],
  ['bytes=99999999999999999999-', 10, 416],
  ['bytes=-0', 10, 416],
  ['bytes=4-3', 10, 416],
  ['bytes=0-', 0, 416],
  ['bytes=0-0', 0, 416],
  ['bytes=-0', 0, 416],
  // A suffix of nothing is all of nothing (14.1.2), which no Content-Range can tell.
  ['bytes=-1', 0, 'whole'],
  ['bytes=-', 10, 'whole'],
  ['bytes=', 10, 'whole'],
  ['bytes', 10, 'whole'],
  ['bytes 0-4', 10, 'whole'],
  ['bytes=a-4', 10, 'whole'],
  ['bytes=0-b', 10, 'whole'],
  ['bytes=0x1-2', 10, 'whole'],
  ['bytes=+1-2', 10, 'whole'],
  ['bytes=1.0-2', 10, 'whole'],
  ['bytes=1 2-15', 30, 'whole'],
  ['bytes=0--4', 10, 'whole'],
  ['bytes=--4', 10, 'whole'],
  ['bytes=0-1-2', 10, 'whole'],
  [
    'bytes=0-1,3-4',
    10,
    [
      [0, 1],
      [3, 4],
    ],
  ],
  [
    'bytes=0-1, -1',
    10,
    [
      [0, 1],
      [9, 9],
    ],
  ],
  [
    'bytes=5-,0-1',
    10,
    [
      [5, 9],
      [0, 1],
    ],
  ],
  [
    'bytes=0-1,2-3',
    10,
    [
      [0, 1],
      [2, 3],
    ],
  ],
  [
    'bytes= 0-1 ,, ,\t3-3 ,',
    10,
    [
      [0, 1],
      [3, 3],
    ],
  ],
  ['bytes=0-1,', 10, [[0, 1]]],
  ['bytes=0-1,20-30,-0', 10, [[0, 1]]],
  ['bytes=10-20,30-40', 10, 416],
  ['bytes=-0,-0', 10, 416],
  ['bytes=0-1,1-2', 10, 416],
  ['bytes=5-6,0-9', 10, 416],
  ['bytes=0-,-1', 10, 416],
  ['bytes=0-1,0-1', 10, 416],
  ['bytes=0-1,9-8', 10, 416],
  ['bytes=0-0,1-1', 0, 416],
  ['bytes=0-0,-1', 0, 'whole'],
  ['bytes=0-1,a-b', 10, 'whole'],
  ['bytes=0-1;3-4', 10, 'whole'],
  ['bytes=0-1,-', 10, 'whole'],
  ['bytes=,', 10, 'whole'],
  [
    `bytes=${Array.from({ length: 1024 }, (_, n) => `${2 * n}-${2 * n}`)}`,
    2047,
    Array.from({ length: 1024 }, (_, n) => [2 * n, 2 * n]),
  ],
  [`bytes=${Array.from({ length: 1025 }, (_, n) => `${2 * n}-${2 * n}`)}`, 2049, 416],
  ['seconds=0-4', 10, 'whole'],
  ['0-4', 10, 'whole'],
]

describe('oci/range', () => {
  describe('parseRanges', () => {
    for (const [header, size, expected] of TABLE) {
      const answer =
        expected === 'whole'
          ? 'the whole'
          : expected === 416
            ? 416
            : `bytes ${expected.slice(0, 3).join(' and ')}`
      it(`answers ${header?.slice(0, 60) ?? 'no header'} of ${size} bytes with ${answer}`, () => {
        if (expected === 416) {
          expect(() => parseRanges(header, size))
            .to.throw(RegistryError)
            .that.deep.includes({ error: 'RANGE_INVALID', headers: { 'Content-Range': `bytes */${size}` } })
        } else if (expected === 'whole') {
          expect(parseRanges(header, size)).to.equal(undefined)
        } else {
          expect(parseRanges(header, size)).to.deep.equal(expected.map(([start, end]) => ({ start, end })))
        }
      })
    }

    it('never leaves the content, whatever is asked', () => {
      const number = fc.oneof(fc.constant(''), fc.nat(30).map(String), fc.bigInt({ min: 0n }).map(String))
      fc.assert(
        fc.property(number, number, fc.nat(20), (first, last, size) => {
          try {
            const header = `bytes=${first}-${last},${last}-,${first}-${first}`
            for (const one of [header, `bytes=${first}-${last}`])
              for (const { start, end } of parseRanges(one, size) ?? [])
                expect(0 <= start && start <= end && end < size).to.equal(true)
          } catch (error) {
            expect(error).to.have.property('status', 416)
          }
        }),
        { numRuns: 1000 },
      )
    })

    it('takes no time over a long header', () => {
      const work = () => {
        expect(() => parseRanges(`bytes=${'0-1,'.repeat(100_000)}`, 10)).to.throw('and not for 100000')
        parseRanges(`bytes=${' ,'.repeat(200_000)}`, 10)
        parseRanges(`bytes=${'1'.repeat(400_000)}`, 10)
        parseRanges(`bytes=${' '.repeat(400_000)}1-`, 10)
      }
      expect(cheapestMs(work, 500)).to.be.below(500)
    })
  })

  describe('parseChunkRange', () => {
    for (const [header, range] of Object.entries({
      '0-0': { start: 0, end: 0 },
      '0-9': { start: 0, end: 9 },
      '10-19': { start: 10, end: 19 },
      '999999999999998-999999999999999': { start: 999_999_999_999_998, end: 999_999_999_999_999 },
    })) {
      it(`reads ${header}`, () => expect(parseChunkRange(header)).to.deep.equal(range))
    }

    for (const header of [
      '',
      '-',
      '0-',
      '-9',
      '9-0',
      'bytes 0-9/10',
      'bytes=0-9',
      '0-9/10',
      '0 - 9',
      ' 0-9',
      '0-9\n',
      '-1-9',
      '0x0-9',
      '1e3-2e3',
      '0-1000000000000000',
      'NaN-NaN',
    ]) {
      it(`refuses ${JSON.stringify(header)}`, () => {
        expect(() => parseChunkRange(header))
          .to.throw(RegistryError, 'the Content-Range of a chunk is')
          .with.property('code', 'BLOB_UPLOAD_INVALID')
      })
    }
  })
})
