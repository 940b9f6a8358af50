import { once } from 'node:events'
import { buffer } from 'node:stream/consumers'
import { expect } from 'chai'
import { BlobFill, type Hold } from '../../../src/core/mirror/blob-fill.ts'
import { type Digest, digestOf } from '../../../src/oci/digest.ts'
import { RemoteError } from '../../../src/remote/error.ts'
import { refusal } from '../../support/refusal.ts'
import { type CoreRegistry, registries, repo } from '../../support/registry.ts'

/** An upstream's transfer that goes on when it is told to. */
class Hand {
  /** Where each transfer began. */
  readonly starts: number[] = []
  readonly #size: number | undefined
  readonly #steps: (Buffer | Error | 'end')[] = []
  #wake = () => {}
  cancelled = 0

  constructor(size?: number) {
    this.#size = size
  }

  readonly source = {
    name: 'hub',
    open: async (start: number) => {
      this.starts.push(start)
      return { size: this.#size, body: this.#body(), cancel: () => void this.cancelled++ }
    },
  }

  give(...steps: (string | Buffer | Error | 'end')[]): this {
    for (const step of steps)
      this.#steps.push(typeof step === 'string' && step !== 'end' ? Buffer.from(step) : (step as Buffer))
    this.#wake()
    return this
  }

  async *#body(): AsyncGenerator<Uint8Array> {
    for (;;) {
      const step = this.#steps.shift()
      if (step === 'end') return
      if (step instanceof Error) throw step
      if (step) yield step
      else
        await new Promise<void>(resolve => {
          this.#wake = resolve
        })
    }
  }
}

describe('core/mirror/fill', () => {
  const open = registries()
  const reset = () => new RemoteError('hub', 'unreachable', 'the connection was reset')
  let registry: CoreRegistry

  beforeEach(async () => {
    registry = await open({ ownStore: true })
  })

  const hold: Hold = (...blob) => registry.blobs.keep(...blob)
  const begin = (digest: Digest, hand: Hand, repository = 'a') =>
    new BlobFill(registry.parts, hold, digest, repo(repository), hand.source)

  it('gives what has come to all who read along, and the last byte when the whole was verified', async () => {
    const hand = new Hand(6)
    const fill = begin(digestOf('abcdef'), hand)
    const readers = await Promise.all([fill.open(), fill.open()])
    const streams = readers.map(reader => reader.read())
    hand.give('abc')
    for (const stream of streams) expect(String((await once(stream, 'data'))[0])).to.equal('abc')
    for (const stream of streams) stream.pause()
    hand.give('def')
    for (const stream of streams) {
      stream.resume()
      expect(String((await once(stream, 'data'))[0])).to.equal('de')
    }
    expect(await registry.stored()).to.deep.equal([])
    hand.give('end')
    for (const stream of streams) expect(String((await once(stream, 'data'))[0])).to.equal('f')
    await fill.done
    expect(await registry.stored()).to.deep.equal([digestOf('abcdef')])
    expect(hand).to.include({ cancelled: 1 }).and.have.deep.property('starts', [0])
  })

  it('gives a range as it comes, but for its last byte', async () => {
    const hand = new Hand(6)
    const fill = begin(digestOf('abcdef'), hand)
    const stream = (await fill.open()).read({ start: 1, end: 3 })
    hand.give('abcde')
    expect(String((await once(stream, 'data'))[0])).to.equal('bc')
    hand.give('f', 'end')
    expect(String((await once(stream, 'data'))[0])).to.equal('d')
  })

  it('holds the blob for all repositories that may have it', async () => {
    const hand = new Hand(3).give('abc')
    const fill = begin(digestOf('abc'), hand)
    fill.repositories.add(repo('b'))
    hand.give('end')
    await fill.done
    for (const name of ['a', 'b'])
      expect(await registry.blobs.stat(repo(name), digestOf('abc')), name).to.equal(3)
    expect(await refusal(registry.blobs.stat(repo('c'), digestOf('abc')))).to.equal('BLOB_UNKNOWN')
  })

  it('wrong bytes -> the streams are broken off before the last byte, and nothing is kept', async () => {
    const hand = new Hand(6).give('abcdeX', 'end')
    const fill = begin(digestOf('abcdef'), hand)
    const seen: Buffer[] = []
    const stream = (await fill.open()).read().on('data', chunk => seen.push(chunk))
    const [error] = await once(stream, 'error')
    expect(error).to.include({ name: 'RemoteError', failure: 'wrong', upstream: 'hub' })
    expect(Buffer.concat(seen).length).to.be.below(6)
    expect(await refusal(fill.done)).to.match(/what it sent is not what the digest tells/)
    expect(await registry.stored()).to.deep.equal([])
    expect(await refusal(registry.blobs.stat(repo('a'), fill.digest))).to.equal('BLOB_UNKNOWN')
  })

  it('more bytes than it said -> is wrong', async () => {
    const fill = begin(digestOf('abc'), new Hand(3).give('abcd', 'end'))
    expect(await refusal(fill.done)).to.match(/it sent more bytes than it said/)
  })

  it('a transfer that breaks off -> goes on where it stood, twice', async () => {
    const hand = new Hand(6).give('ab', reset(), 'cd', reset(), 'ef', 'end')
    const fill = begin(digestOf('abcdef'), hand)
    expect(String(await buffer((await fill.open()).read()))).to.equal('abcdef')
    expect(hand.starts).to.deep.equal([0, 2, 4])
  })

  it('that breaks off a third time -> is given up', async () => {
    const hand = new Hand(6).give('ab', reset(), 'c', reset(), 'd', reset())
    const fill = begin(digestOf('abcdef'), hand)
    expect(await refusal(fill.done)).to.equal('the connection was reset')
    expect(await refusal(fill.open())).to.equal('the connection was reset')
    expect(hand).to.include({ cancelled: 3 })
  })

  it('nothing to begin with -> no size, no blob, and no second try', async () => {
    const fill = new BlobFill(registry.parts, hold, digestOf('abc'), repo('a'), {
      name: 'hub',
      open: async () => {
        throw reset()
      },
    })
    expect(await refusal(fill.size)).to.equal('the connection was reset')
    expect(await refusal(fill.open())).to.equal('the connection was reset')
  })

  it('of a size that nobody tells -> is given when it is whole', async () => {
    const hand = new Hand().give('abc')
    const fill = begin(digestOf('abc'), hand)
    const handle = fill.open()
    hand.give('end')
    expect(await fill.size).to.equal(3)
    expect(String(await buffer((await handle).read()))).to.equal('abc')
  })

  it('of nothing -> is verified before it is given', async () => {
    expect(String(await refusal(begin(digestOf('a'), new Hand(0).give('end')).open()))).to.match(
      /not what the digest/,
    )
    const handle = await begin(digestOf(''), new Hand(0).give('end')).open()
    expect(handle.size).to.equal(0)
    await handle.close()
  })

  it('goes on when all who read along have left', async () => {
    const hand = new Hand(6)
    const fill = begin(digestOf('abcdef'), hand)
    const stream = (await fill.open()).read()
    hand.give('abc')
    await once(stream, 'data')
    stream.destroy()
    hand.give('def', 'end')
    await fill.done
    expect(await registry.stored()).to.deep.equal([fill.digest])
  })

  it('sha512 -> is verified by it', async () => {
    const digest = digestOf('abc', 'sha512')
    await begin(digest, new Hand(3).give('abc', 'end')).done
    expect(await registry.stored()).to.deep.equal([digest])
  })
})
