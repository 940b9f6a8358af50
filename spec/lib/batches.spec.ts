import { expect } from 'chai'
import { batches } from '../../src/lib/batches.ts'

describe('lib/batches', () => {
  const gather = async (sizes: number[], size: number) => {
    const result: number[][] = []
    for await (const batch of batches(chunks(sizes), size)) result.push(batch.map(chunk => chunk.length))
    return result
  }

  it('gathers small chunks up to the size', async () => {
    expect(await gather([1, 2, 3, 4], 3)).to.deep.equal([[1, 2], [3], [4]])
  })

  it('passes a large chunk on as it is', async () => {
    expect(await gather([10, 1], 3)).to.deep.equal([[10], [1]])
  })

  it('gives nothing for nothing', async () => {
    expect(await gather([], 3)).to.deep.equal([])
    expect(await gather([0, 0], 3)).to.deep.equal([])
  })

  it('makes no list longer than a writev takes', async () => {
    const result = await gather(
      Array.from({ length: 2500 }, () => 1),
      1_000_000,
    )
    expect(result.map(batch => batch.length)).to.deep.equal([1024, 1024, 452])
  })

  it('gives what came before an error, and then the error', async () => {
    const seen: number[] = []
    let failure: unknown
    try {
      for await (const batch of batches(chunks([1, 1], new Error('broken')), 10)) seen.push(batch.length)
    } catch (error) {
      failure = error
    }
    expect(seen).to.deep.equal([2])
    expect(failure).to.have.property('message', 'broken')
  })

  it('gives what it has when the source is silent', async () => {
    let go = () => {}
    const source = async function* () {
      yield new Uint8Array(1)
      yield new Uint8Array(2)
      await new Promise<void>(resolve => {
        go = resolve
      })
      yield new Uint8Array(3)
    }
    const result: number[][] = []
    for await (const batch of batches(source(), 100, 10)) {
      result.push(batch.map(chunk => chunk.length))
      go()
    }
    expect(result).to.deep.equal([[1, 2], [3]])
  })

  it('waits for the first chunk, and gives what came before an error, with patience as well', async () => {
    const source = async function* () {
      await new Promise(resolve => setTimeout(resolve, 20))
      yield new Uint8Array(1)
      await new Promise(resolve => setTimeout(resolve, 20))
      throw new Error('broken')
    }
    const seen: number[] = []
    const failure = await (async () => {
      for await (const batch of batches(source(), 100, 5)) seen.push(batch.length)
    })().catch(error => error)
    expect(seen).to.deep.equal([1])
    expect(failure).to.have.property('message', 'broken')
  })

  it('ends a source with pauses when its reader leaves', async () => {
    const source = chunks([5, 5, 5])
    for await (const _ of batches(source, 3, 10)) break
    expect(await source.next()).to.deep.equal({ value: undefined, done: true })
  })

  it('ends the source when its reader leaves', async () => {
    const source = chunks([5, 5, 5])
    for await (const _ of batches(source, 3)) break
    expect(await source.next()).to.deep.equal({ value: undefined, done: true })
  })
})

async function* chunks(sizes: number[], error?: Error): AsyncGenerator<Uint8Array> {
  for (const size of sizes) yield new Uint8Array(size)
  if (error) throw error
}
