import { expect } from 'chai'
import { giveAligned, PIECE, takeAligned } from '../../src/lib/aligned-memory.ts'

describe('lib/aligned-memory', () => {
  const takeAll = () => {
    const taken: Buffer[] = []
    for (let piece = takeAligned(); piece; piece = takeAligned()) taken.push(piece)
    return taken
  }

  it('gives pieces that share no byte, until all are taken', () => {
    const taken = takeAll()
    expect(taken).to.have.length(16)
    taken.forEach((piece, i) => {
      piece.fill(i)
    })
    taken.forEach((piece, i) => {
      expect(piece).to.have.length(PIECE)
      expect(piece.every(byte => byte === i)).to.equal(true)
    })
    for (const piece of taken) giveAligned(piece)
  })

  it('gives a piece again that was given back', () => {
    const taken = takeAll()
    const [piece] = taken
    expect(takeAligned()).to.equal(undefined)
    giveAligned(piece as Buffer)
    expect(takeAligned()).to.equal(piece)
    for (const piece of taken) giveAligned(piece)
  })
})
