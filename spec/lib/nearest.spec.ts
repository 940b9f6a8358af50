import { expect } from 'chai'
import { nearest } from '../../src/lib/nearest.ts'

describe('lib/nearest', () => {
  const words = ['MEMFLOW_ADDR', 'MEMFLOW_PUBLIC_KEY_FILE', 'MEMFLOW_PUBLIC_URL', 'MEMFLOW_LOG']

  it('a misspelt word gets the one with the fewest edits', () => {
    expect(nearest('MEMFLOW_PUBLIC_KEYS_FILE', words)).to.equal('MEMFLOW_PUBLIC_KEY_FILE')
    expect(nearest('MEMFLOW_PUBLIC_URI', words)).to.equal('MEMFLOW_PUBLIC_URL')
    expect(nearest('MEMFLOW_ADRR', words)).to.equal('MEMFLOW_ADDR')
  })

  it('a word that is like none gets nothing', () => {
    expect(nearest('MEMFLOW_SOMETHING_ELSE_ALTOGETHER', words)).to.equal(undefined)
    expect(nearest('x', [])).to.equal(undefined)
  })
})
