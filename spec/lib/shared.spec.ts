import { expect } from 'chai'
import { takeChunk } from '../../src/lib/chunk-pool.ts'
import { readShared, shared } from '../../src/lib/shared.ts'

async function* chunks(...texts: readonly string[]): AsyncGenerator<Uint8Array> {
  for (const text of texts) yield Buffer.from(text)
}

describe('lib/shared', () => {
  it('reads a source into shared memory', async () => {
    const bytes = await readShared(chunks('ab', '', 'cde'), 5)
    expect(bytes.toString()).to.equal('abcde')
    expect(bytes.buffer).to.be.instanceOf(SharedArrayBuffer)
  })

  it('gives the chunks back', async () => {
    const chunk = takeChunk()
    async function* source(): AsyncGenerator<Uint8Array> {
      yield chunk.subarray(0, 5)
    }
    await readShared(source(), 5)
    expect(takeChunk().buffer).to.equal(chunk.buffer)
  })

  it('answers what came where that is less than was said', async () => {
    expect((await readShared(chunks('ab'), 5)).toString()).to.equal('ab')
    expect(await readShared(chunks(), 0)).to.have.length(0)
  })

  it('fails where more comes than was said', async () => {
    const error = await readShared(chunks('abc', 'def'), 5).catch((error: unknown) => error)
    expect(error).to.be.instanceOf(RangeError)
  })

  it('fails where the source fails', async () => {
    async function* broken(): AsyncGenerator<Uint8Array> {
      yield* chunks('ab')
      throw new Error('broken')
    }
    expect(((await readShared(broken(), 5).catch((error: unknown) => error)) as Error).message).to.equal(
      'broken',
    )
  })

  it('copies bytes that are not shared, and only these', () => {
    const larger = Buffer.from('xabcx')
    const copy = shared(larger.subarray(1, 4))
    expect(Buffer.from(copy).toString()).to.equal('abc')
    expect(copy.buffer).to.be.instanceOf(SharedArrayBuffer)
    expect(shared(copy)).to.equal(copy)
  })
})
