import { once } from 'node:events'
import { buffer } from 'node:stream/consumers'
import { setImmediate } from 'node:timers/promises'
import { expect } from 'chai'
import { BlobFill, type Hold } from '../../../src/core/mirror/blob-fill.ts'
import { type FillOptions, GivenUp } from '../../../src/core/mirror/fill.ts'
import { type Digest, digestOf } from '../../../src/oci/digest.ts'
import { RemoteError } from '../../../src/remote/error.ts'
import { refusal } from '../../support/refusal.ts'
import { type CoreRegistry, registries, repo } from '../../support/registry.ts'

/** An upstream's transfer that goes on when it is told to. */
class Hand {
  /** Where each transfer began. */
  readonly starts: number[] = []
  /** What a HEAD says. */
  head: number | undefined
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
      const size = this.#size === undefined ? undefined : this.#size - start
      return { size, body: this.#body(), cancel: () => this.#cancel() }
    },
    stat: async () => this.head,
  }

  /** Steps that were not taken. */
  get left(): number {
    return this.#steps.length
  }

  give(...steps: (string | Buffer | Error | 'end')[]): this {
    for (const step of steps)
      this.#steps.push(typeof step === 'string' && step !== 'end' ? Buffer.from(step) : (step as Buffer))
    this.#wake()
    return this
  }

  /** Ends a body that is silent, as the end of a connection does. */
  #cancel(): void {
    this.cancelled++
    this.#steps.push(new RemoteError('hub', 'wrong', 'the connection ended'))
    this.#wake()
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
  const begin = (digest: Digest, { source }: Pick<Hand, 'source'>, more: Partial<FillOptions> = {}) => {
    const options = { source, finish: 1024, reserve: () => () => {}, ...more }
    return new BlobFill(registry.parts, hold, digest, repo('a'), options)
  }

  it('gives what has come to all who read along, and the last byte when the whole was verified', async () => {
    const hand = new Hand(6)
    const fill = begin(digestOf('abcdef'), hand)
    const readers = await Promise.all([fill.open(), fill.open()])
    const streams = readers.map(reader => reader.read()[Symbol.asyncIterator]())
    const next = () => Promise.all(streams.map(async stream => String((await stream.next()).value)))
    hand.give('abc')
    expect(await next()).to.deep.equal(['abc', 'abc'])
    hand.give('def')
    expect(await next()).to.deep.equal(['de', 'de'])
    expect(await registry.stored()).to.deep.equal([])
    hand.give('end')
    expect(await next()).to.deep.equal(['f', 'f'])
    await fill.done
    expect(await registry.stored()).to.deep.equal([digestOf('abcdef')])
    expect(hand.starts).to.deep.equal([0])
    expect(hand.cancelled).to.be.above(0)
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
    expect(await refusal(fill.done)).to.match(/what it sent is not what the digest says/)
    expect(await registry.stored()).to.deep.equal([])
    expect(await refusal(registry.blobs.stat(repo('a'), fill.digest))).to.equal('BLOB_UNKNOWN')
  })

  it('more bytes than it said -> is wrong', async () => {
    const fill = begin(digestOf('abc'), new Hand(3).give('abcd', 'end'))
    expect(await refusal(fill.done)).to.match(/it sends more than the 3 bytes that the blob can have/)
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
    expect(hand.cancelled).to.be.at.least(3)
  })

  it('nothing to begin with -> no size, no blob, and no second try', async () => {
    const open = () => Promise.reject(reset())
    const fill = begin(digestOf('abc'), { source: { ...new Hand().source, open } })
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

  describe('without readers', () => {
    /** Of bytes that are not nearly done before the last of them. */
    const strict = { finish: 0 }
    const digest = digestOf('abcdef')

    /** A fill of six bytes of which one reader has had three and left. */
    async function left(more: Partial<FillOptions>) {
      const hand = new Hand(6)
      const fill = begin(digest, hand, { ...strict, ...more })
      const stream = (await fill.open()).read()
      hand.give('abc')
      await once(stream, 'data')
      stream.destroy()
      await once(stream, 'close')
      return { hand, fill }
    }

    it('is given up after a pause, and leaves nothing', async () => {
      const { hand, fill } = await left({ pause: 0 })
      expect(await fill.done.catch(error => error)).to.be.instanceOf(GivenUp)
      expect(fill.isOver).to.equal(true)
      expect(hand.cancelled).to.be.above(0)
      expect(hand.starts).to.deep.equal([0])
      expect(await registry.stored()).to.deep.equal([])
    })

    it('is given up while the upstream is silent', async () => {
      const hand = new Hand(6)
      const fill = begin(digest, hand, { ...strict, pause: 0 })
      const handle = await fill.open()
      await handle.close()
      expect(await fill.done.catch(error => error)).to.be.instanceOf(GivenUp)
    })

    it('is given up if nobody has ever opened it', async () => {
      const fill = begin(digest, new Hand(6), { ...strict, pause: 0 })
      expect(await fill.size).to.equal(6)
      expect(await fill.done.catch(error => error)).to.be.instanceOf(GivenUp)
    })

    it('takes no more than is on its way, and goes on with the next reader', async () => {
      const { hand, fill } = await left({ pause: 2 ** 30 })
      hand.give('d', 'e', 'f', 'end')
      for (let i = 0; i < 20; i++) await setImmediate()
      expect(hand.left).to.be.at.least(3)
      expect(String(await buffer((await fill.open()).read()))).to.equal('abcdef')
      await fill.done
      expect(hand.starts).to.deep.equal([0])
    })

    it('goes on with the last reader of several', async () => {
      const hand = new Hand(6)
      const fill = begin(digest, hand, { ...strict, pause: 0 })
      const [first, second] = [await fill.open(), await fill.open()]
      const stream = second.read()
      await first.close()
      await first.close()
      hand.give('abc')
      await once(stream, 'data')
      hand.give('def', 'end')
      expect((await buffer(stream)).length).to.equal(3)
      await fill.done
    })

    it('is finished if it is nearly done', async () => {
      const { hand, fill } = await left({ finish: 3, pause: 0 })
      hand.give('def', 'end')
      await fill.done
      expect(await registry.stored()).to.deep.equal([digest])
    })

    it('gives back its room', async () => {
      let taken = 0
      const reserve = (bytes: number) => {
        taken += bytes
        return () => {
          taken -= bytes
        }
      }
      const { fill } = await left({ pause: 0, reserve })
      expect(taken).to.equal(6)
      await fill.done.catch(() => {})
      expect(taken).to.equal(0)
    })
  })

  it('without room for it -> is refused before a byte is staged, with the size', async () => {
    const hand = new Hand(6)
    const fill = begin(digestOf('abcdef'), hand, { reserve: () => undefined })
    expect(await fill.size.catch(error => error)).to.include({ name: 'NoRoom', size: 6 })
    expect(hand.cancelled).to.be.above(0)
    const unstated = begin(digestOf('abcdef'), new Hand(), { reserve: () => undefined })
    expect(await refusal(unstated.done)).to.match(/states no size, and the cache has no room/)
  })

  describe('of a size that the upstream does not state', () => {
    it('takes no more than the manifests say, and gives it as it comes', async () => {
      const hand = new Hand()
      const fill = begin(digestOf('abcdef'), hand, { named: 6 })
      expect(await fill.size).to.equal(6)
      const stream = (await fill.open()).read().on('error', () => {})
      hand.give('abc')
      expect(String((await once(stream, 'data'))[0])).to.equal('abc')
      hand.give('defg')
      expect(await refusal(fill.done)).to.match(/it sends more than the 6 bytes that the blob can have/)
      expect(hand.starts, 'it is not resumed').to.deep.equal([0])
    })

    it('takes no more than a HEAD says', async () => {
      const hand = new Hand()
      hand.head = 3
      const fill = begin(digestOf('abc'), hand)
      expect(await fill.size).to.equal(3)
      hand.give('abcd')
      expect(await refusal(fill.done)).to.match(/more than the 3 bytes/)
    })

    it('takes a few megabytes if nothing says it', async () => {
      const hand = new Hand()
      const fill = begin(digestOf('abc'), hand)
      const mebibyte = Buffer.alloc(1024 * 1024)
      hand.give(...Array.from({ length: 33 }, () => mebibyte))
      expect(await refusal(fill.done)).to.match(/more than the 33554432 bytes/)
    })
  })

  it('stated as larger than the manifests say -> is wrong, and no byte is taken', async () => {
    const fill = begin(digestOf('abcdef'), new Hand(6), { named: 5 })
    expect(await refusal(fill.done)).to.match(/it states 6 bytes, and the manifest says 5/)
  })

  it('resumed as a blob of another size -> is wrong at once', async () => {
    const hand = new Hand(6)
    let opened = 0
    const source = {
      ...hand.source,
      open: async (start: number) => {
        const blob = await hand.source.open(start)
        return opened++ === 0 ? blob : { ...blob, size: 5 }
      },
    }
    hand.give('abc', reset())
    expect(await refusal(begin(digestOf('abcdef'), { source }).done)).to.match(
      /resumes a blob of 6 bytes as one of 8/,
    )
  })

  it('sha512 -> is verified by it', async () => {
    const digest = digestOf('abc', 'sha512')
    await begin(digest, new Hand(3).give('abc', 'end')).done
    expect(await registry.stored()).to.deep.equal([digest])
  })
})
