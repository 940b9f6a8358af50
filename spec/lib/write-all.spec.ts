import { open, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect } from 'chai'
import fc from 'fast-check'
import { writeAll } from '../../src/lib/write-all.ts'
import { tmpDir } from '../support/tmp.ts'

describe('lib/write-all', () => {
  const fresh = tmpDir()

  it('writes the chunks one behind the other at the position', async () => {
    const path = join(await fresh(), 'file')
    const file = await open(path, 'w')
    const chunks = ['', 'ab', '', 'c', ''].map(text => Buffer.from(text))
    expect(await writeAll(file, chunks, 2)).to.equal(5)
    expect(await writeAll(file, [], 5)).to.equal(5)
    expect(await writeAll(file, [Buffer.alloc(0)], 5)).to.equal(5)
    await file.close()
    expect(await readFile(path, 'latin1')).to.equal('\0\0abc')
  })

  it('goes on where the kernel took a part only', async () => {
    const chunks = fc.array(fc.uint8Array({ maxLength: 5 }), { maxLength: 6 })
    await fc.assert(
      fc.asyncProperty(chunks, fc.integer({ min: 1, max: 7 }), async (chunks, most) => {
        const all = Buffer.concat(chunks)
        const taken = Buffer.alloc(all.length)
        const writev = async (rest: readonly Uint8Array[], at?: number) => {
          const bytesWritten = Buffer.concat(rest).subarray(0, most).copy(taken, at)
          return { bytesWritten, buffers: rest }
        }
        expect(await writeAll({ writev } as Parameters<typeof writeAll>[0], chunks, 0)).to.equal(all.length)
        expect(taken).to.deep.equal(all)
      }),
    )
  })
})
