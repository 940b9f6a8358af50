import { expect } from 'chai'
import { batches } from '../../src/lib/batches.ts'

describe('lib/batches', () => {
  const gather = async (sizes: number[], size: number, from = 0) => {
    const result: number[][] = []
    for await (const batch of batches(chunks(sizes), size, { from }))
      result.push(batch.map(chunk => chunk.length))
    return result
  }

  it('gathers small chunks up to the size', async () => {
    expect(await gather([1, 2, 3, 1, 1], 3)).to.deep.equal([[1, 2], [3], [1, 1]])
  })

  it('cuts a chunk at each multiple of the size', async () => {
    expect(await gather([2, 8, 1], 3)).to.deep.equal([[2, 1], [3], [3], [1, 1]])
  })

  it('counts from where the first chunk stands', async () => {
    expect(await gather([2, 2, 2], 4, 3)).to.deep.equal([[1], [1, 2, 1], [1]])
    expect(await gather([2, 2, 2], 4, 8)).to.deep.equal([[2, 2], [2]])
  })

  it('gives every byte in its order', async () => {
    const bytes = Buffer.from('the bytes of the chunks')
    const source = async function* () {
      yield bytes.subarray(0, 1)
      yield bytes.subarray(1, 17)
      yield bytes.subarray(17)
    }
    const result: Uint8Array[] = []
    for await (const batch of batches(source(), 4, { from: 1 })) result.push(...batch)
    expect(Buffer.concat(result).toString()).to.equal('the bytes of the chunks')
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
    for await (const batch of batches(source(), 100, { patience: 10 })) {
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
      for await (const batch of batches(source(), 100, { patience: 5 })) seen.push(batch.length)
    })().catch(error => error)
    expect(seen).to.deep.equal([1])
    expect(failure).to.have.property('message', 'broken')
  })

  it('ends a source with pauses when its reader leaves', async () => {
    const source = chunks([5, 5, 5])
    for await (const _ of batches(source, 3, { patience: 10 })) break
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
