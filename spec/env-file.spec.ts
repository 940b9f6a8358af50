import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect } from 'chai'
import { readEnvFile } from '../src/env-file.ts'
import { tmpDir } from './support/tmp.ts'

describe('env-file', () => {
  const fresh = tmpDir()

  async function file(text: string): Promise<string> {
    const path = join(await fresh(), '.env')
    await writeFile(path, text)
    return path
  }

  it('a missing file has no variables', async () => {
    expect(readEnvFile(join(await fresh(), '.env'))).to.deep.equal({})
  })

  it('comments, blank lines, quotes, export and values over several lines are read', async () => {
    const text = '# a comment\n\nA=1\n  B = two words # why\nexport C="x\ny z\n"\r\nD=\nE=\'=\'\nF="open\n'
    expect(readEnvFile(await file(text))).to.deep.include({
      A: '1',
      B: 'two words',
      C: 'x\ny z\n',
      D: '',
      E: '=',
    })
  })

  for (const [text, line] of [
    ['MEMFLOW_ADDR', 1],
    ['A=1\n\n# x\nMEMFLOW_ADDR 127.0.0.1:1', 4],
    ['A="1\n2"\nB', 3],
    ['A="1\nB', 2],
    ['=1', 1],
    ['A: 1', 1],
  ] as const) {
    it(`${JSON.stringify(text)} is refused with line ${line}`, async () => {
      const path = await file(text)
      expect(() => readEnvFile(path)).to.throw(`line ${line} is not of the form NAME=value`)
    })
  }
})
