import { expect } from 'chai'
import fc from 'fast-check'
import { Clock, naiveDateTime, parseRfc3339, rfc3339 } from '../../src/lib/clock.ts'
import { ForwardClock } from '../support/clock.ts'

const SECOND = 1_000_000_000n
/** What a registry may ever have to write: 1970 to the end of 2261. */
const nanos = fc.bigInt({ min: 0n, max: 9_214_646_400n * SECOND })

describe('lib/clock', () => {
  describe('Clock', () => {
    it('tells the time', () => {
      const before = Date.now()
      const now = Number(new Clock().now() / 1_000_000n)
      expect(now).to.be.within(before, Date.now())
    })

    it('tells no time twice, and never an earlier one', () => {
      const clock = new Clock()
      let last = 0n
      for (let i = 0; i < 10_000; i++) {
        const now = clock.now()
        expect(now > last).to.equal(true)
        last = now
      }
    })
  })

  describe('Clock, when the clock of the system is put', () => {
    const HOUR = 3_600_000
    const nanosOf = (milliseconds: number) => BigInt(milliseconds) * 1_000_000n

    it('back, goes on at half speed until the system has caught up', () => {
      const clock = new ForwardClock()
      const before = clock.now()
      clock.step(-HOUR)
      const after = clock.now()
      expect(after > before).to.equal(true)
      expect(Number(after - before) / 1e6).to.be.below(HOUR / 10)
      clock.pass(HOUR)
      const later = clock.now()
      expect(Number(later - after) / 1e6).to.be.within(HOUR / 2, HOUR / 2 + HOUR / 10)
      clock.pass(2 * HOUR)
      expect(Number(clock.now() - clock.system()) / 1e6).to.be.within(0, 1000)
    })

    it('back while it does not run, goes on after the last time that it told', () => {
      const first = new ForwardClock()
      const last = first.now()
      const second = new ForwardClock()
      second.step(-24 * HOUR)
      const behind = second.startAfter(last)
      expect(Number(behind) / 1e6).to.be.within(23 * HOUR, 24 * HOUR + 1)
      expect(second.now() > last).to.equal(true)
      const third = new ForwardClock()
      third.pass(1)
      expect(third.startAfter(last)).to.equal(0n)
    })

    it('back by years, does not stand still', () => {
      const clock = new ForwardClock()
      clock.step(-10 * 365 * 24 * HOUR)
      clock.startAfter(new Clock().now())
      const noted = clock.now()
      clock.pass(48 * HOUR)
      expect(clock.since(noted) >= nanosOf(24 * HOUR)).to.equal(true)
    })

    it('forward, does not take the step for time that has passed', () => {
      const clock = new ForwardClock()
      const noted = clock.now()
      clock.step(25 * HOUR)
      expect(clock.since(noted) < nanosOf(HOUR)).to.equal(true)
      clock.pass(2 * HOUR)
      expect(clock.since(noted) >= nanosOf(HOUR)).to.equal(true)
      expect(clock.since(noted) < nanosOf(3 * HOUR)).to.equal(true)
      const later = clock.now()
      clock.pass(2 * HOUR)
      expect(clock.since(later) >= nanosOf(HOUR)).to.equal(true)
    })

    it('right again, has no step for the time in which it did not run', () => {
      const clock = new ForwardClock()
      const noted = clock.now() - nanosOf(30 * HOUR)
      clock.startAfter(noted)
      expect(clock.since(noted) >= nanosOf(30 * HOUR)).to.equal(true)
    })
  })

  describe('rfc3339', () => {
    it('writes UTC with nine digits', () => {
      expect(rfc3339(0n)).to.equal('1970-01-01T00:00:00.000000000Z')
      expect(rfc3339(1_711_131_293_402_258_600n)).to.equal('2024-03-22T18:14:53.402258600Z')
    })

    it('comes back from parseRfc3339, whatever the time', () => {
      fc.assert(
        fc.property(nanos, time => {
          expect(parseRfc3339(rfc3339(time))).to.equal(time)
        }),
      )
    })

    it('sorts as the times do', () => {
      fc.assert(
        fc.property(nanos, nanos, (a, b) => {
          expect(rfc3339(a) < rfc3339(b)).to.equal(a < b)
        }),
      )
    })
  })

  describe('naiveDateTime', () => {
    for (const [fraction, text] of [
      [0n, '2024-03-22T18:14:53'],
      [100_000_000n, '2024-03-22T18:14:53.100'],
      [1_000_000n, '2024-03-22T18:14:53.001'],
      [1_000n, '2024-03-22T18:14:53.000001'],
      [402_258_600n, '2024-03-22T18:14:53.402258600'],
      [1n, '2024-03-22T18:14:53.000000001'],
      [999_999_999n, '2024-03-22T18:14:53.999999999'],
    ] as const) {
      it(`writes ${text}, as chrono does`, () => {
        expect(naiveDateTime(1_711_131_293n * SECOND + fraction)).to.equal(text)
      })
    }

    it('has no zone and loses nothing', () => {
      fc.assert(
        fc.property(nanos, time => {
          const text = naiveDateTime(time)
          expect(text).to.match(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.(?:\d{3}){1,3})?$/)
          expect(parseRfc3339(`${text}Z`)).to.equal(time)
        }),
      )
    })
  })

  describe('parseRfc3339', () => {
    for (const [text, time] of [
      ['1970-01-01T00:00:00Z', 0n],
      ['1970-01-01t00:00:01z', SECOND],
      ['1970-01-01T01:00:00+01:00', 0n],
      ['1969-12-31T23:00:00-01:00', 0n],
      ['2024-02-29T00:00:00.5Z', 1_709_164_800n * SECOND + 500_000_000n],
      ['2024-03-22T18:14:53.402258600Z', 1_711_131_293_402_258_600n],
      ['2024-03-22T18:14:53.402258600+00:00', 1_711_131_293_402_258_600n],
    ] as const) {
      it(`reads ${text}`, () => expect(parseRfc3339(text)).to.equal(time))
    }

    for (const text of [
      '',
      'now',
      '2024-03-22',
      '2024-03-22T18:14:53',
      '2024-03-22 18:14:53Z',
      '2024-03-22T18:14Z',
      '2024-03-22T18:14:53.Z',
      '2024-03-22T18:14:53.1234567891Z',
      '2024-03-22T18:14:53,5Z',
      '2024-03-22T18:14:53+0100',
      ' 2024-03-22T18:14:53Z',
      '2024-03-22T18:14:53Z\n',
      '2024-13-01T00:00:00Z',
      '2024-02-30T00:00:00Z',
      '2023-02-29T00:00:00Z',
      '2024-01-01T24:00:00Z',
      '2024-01-01T00:60:00Z',
      '2024-01-01T00:00:61Z',
      '2024-01-01T00:00:00+24:00',
      '1969-12-31T23:59:59Z',
      '1970-01-01T00:00:00+01:00',
      '2263-01-01T00:00:00Z',
      '9999-12-31T23:59:59Z',
      '+12024-01-01T00:00:00Z',
    ]) {
      it(`refuses ${JSON.stringify(text)}`, () => expect(parseRfc3339(text)).to.equal(undefined))
    }

    it('answers every text with a time or nothing', () => {
      fc.assert(
        fc.property(fc.string(), text => {
          const time = parseRfc3339(text)
          expect(time === undefined || time >= 0n).to.equal(true)
        }),
      )
    })
  })
})
