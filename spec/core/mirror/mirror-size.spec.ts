import { expect } from 'chai'
import { MirrorSize } from '../../../src/core/mirror/mirror-size.ts'

describe('core/mirror/mirror-size', () => {
  it('stages no more at a time than the limit, and again what was given back', () => {
    const size = new MirrorSize(100)
    expect(size.reserve(101)).to.equal(undefined)
    const release = size.reserve(60)
    expect(size.reserve(41)).to.equal(undefined)
    expect(size.reserve(40)).to.be.a('function')
    release?.()
    expect(size.staged).to.equal(40)
    expect(size.fits(60)).to.equal(true)
  })

  it('stages 64 transfers at a time, also without a limit', () => {
    const size = new MirrorSize(Number.POSITIVE_INFINITY)
    const releases = Array.from({ length: 64 }, () => size.reserve(1e12))
    expect(releases.every(Boolean)).to.equal(true)
    expect(size.fits(1)).to.equal(false)
    releases[0]?.()
    expect(size.fits(1)).to.equal(true)
  })

  it('keeps nothing more beyond twice the limit, because content in use is not evicted', () => {
    const size = new MirrorSize(100)
    size.counted = 120
    size.add(30)
    expect(size.fits(50)).to.equal(true)
    expect(size.fits(51)).to.equal(false)
  })

  it('exceeds the limit by what is kept and what is staged; unless it was counted, in any case', () => {
    const size = new MirrorSize(100)
    expect(size.excess).to.equal(Number.POSITIVE_INFINITY)
    size.counted = 80
    size.add(10)
    expect(size.excess).to.equal(-10)
    const release = size.reserve(30)
    expect(size.excess).to.equal(20)
    release?.()
    expect(size.excess).to.equal(-10)
    size.beginCount()
    size.counted = 50
    expect(size.excess).to.equal(-50)
    expect(new MirrorSize(Number.POSITIVE_INFINITY).excess).to.equal(0)
  })
})
