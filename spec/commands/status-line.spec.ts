import type { WriteStream } from 'node:tty'
import { expect } from 'chai'
import { StatusLine } from '../../src/commands/status-line.ts'

describe('commands/status-line', () => {
  let now = 0

  function terminal(isTTY: boolean) {
    const written: string[] = []
    const stream = { isTTY, columns: 20, write: (text: string) => written.push(text) }
    return { written, line: new StatusLine(stream as unknown as WriteStream, () => now) }
  }

  it('is written over on a terminal, no wider than it, and not too often', () => {
    const { written, line } = terminal(true)
    line.show(() => 'x'.repeat(50))
    now += 99
    line.show(() => 'too early')
    now += 1
    line.show(() => 'later')
    line.clear()
    expect(written).to.deep.equal([`\r\x1b[K${'x'.repeat(19)}`, '\r\x1b[Klater', '\r\x1b[K'])
  })

  it('is not there where the output is no terminal', () => {
    const { written, line } = terminal(false)
    line.show(() => 'text')
    line.clear()
    expect(written).to.deep.equal([])
  })
})
