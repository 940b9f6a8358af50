import { Readable } from 'node:stream'
import { constants, createGzip, gzipSync } from 'node:zlib'
import { expect } from 'chai'
import { WorkerAnalyzer } from '../../src/analyzer/pool.ts'
import { type Unpacked, unpack } from '../../src/analyzer/unpack.ts'
import type { Analyzer } from '../../src/core/parts.ts'
import { digestOf } from '../../src/oci/digest.ts'
import { plugin } from '../support/plugins.ts'
import { IN_PROCESS, MIB, tarOf } from '../support/registry.ts'

const COREDUMP = plugin('libmemflow_coredump-0.2.0.x86_64.so').bytes
const NATIVE = plugin('libmemflow_native-0.2.0.x86_64.so').bytes
const LIMITS = { file: 20 * MIB, entries: 100, bytes: 64 * MIB, plugins: 5 }

interface Outcome extends Unpacked {
  readonly plugins: string[]
}

/** Bytes that end differently, and are the same plugin otherwise. */
const variantOf = (bytes: Uint8Array, i: number) => Buffer.concat([bytes, Buffer.from(`${i}`)])

const source = (bytes: Uint8Array) => Readable.from([bytes], { objectMode: false })

describe('analyzer/unpack', () => {
  const threads = new WorkerAnalyzer({ threads: 1 })

  after(() => threads.close())

  for (const [where, analyzer] of [
    ['in this thread', IN_PROCESS],
    ['in a thread of the pool', threads],
  ] as [string, Analyzer][]) {
    describe(where, () => {
      const search = async (from: Readable, gzip = false, limits: object = {}): Promise<Outcome> => {
        const plugins: string[] = []
        const options = { gzip, limits: { ...LIMITS, ...limits } }
        const unpacked = await analyzer.unpack(
          async () => from,
          options,
          async ({ binary, bytes, descriptors }) => {
            expect(digestOf(Buffer.from(bytes))).to.equal(binary)
            expect(descriptors).not.to.deep.equal([])
            plugins.push(binary)
          },
        )
        return { ...unpacked, plugins }
      }

      it('plugins are found in a tar and in a tar+gzip, also one of several members', async () => {
        const bytes = await tarOf({ a: COREDUMP, b: Buffer.from('text'), c: NATIVE })
        const expected = {
          bytes: bytes.length,
          entries: 3,
          plugins: [digestOf(COREDUMP), digestOf(NATIVE)],
        }
        const members = [bytes.subarray(0, 1000), Buffer.alloc(0), bytes.subarray(1000)].map(part =>
          gzipSync(part),
        )
        expect(await search(source(bytes))).to.deep.equal(expected)
        expect(await search(source(gzipSync(bytes)), true)).to.deep.equal(expected)
        expect(await search(source(Buffer.concat(members)), true)).to.deep.equal(expected)
      })

      it('a plugin that is in it many times is found once', async () => {
        const files = Object.fromEntries(Array.from({ length: 90 }, (_, i) => [`${i}`, COREDUMP]))
        const { plugins, past } = await search(source(gzipSync(await tarOf(files))), true)
        expect([plugins, past]).to.deep.equal([[digestOf(COREDUMP)], undefined])
      })

      it('an archive with more plugins than the limit has those before it', async () => {
        const files = Object.fromEntries(
          Array.from({ length: 7 }, (_, i) => [`${i}`, variantOf(COREDUMP, i)]),
        )
        const { plugins, past } = await search(source(await tarOf(files)))
        expect(plugins).to.have.length(5)
        expect(past).to.equal('the archive has more than 5 plugins')
      })

      it('an archive with more entries than the limit has the plugins before it', async () => {
        const files = Object.fromEntries(Array.from({ length: 101 }, (_, i) => [`f${i}`, Buffer.alloc(0)]))
        const { entries, plugins, past } = await search(source(await tarOf({ a: COREDUMP, ...files })))
        expect({ entries, plugins, past }).to.deep.equal({
          entries: 100,
          plugins: [digestOf(COREDUMP)],
          past: 'the archive has more than 100 entries',
        })
      })

      it('what is damaged, cut short, or no archive has the plugins before the damage', async () => {
        const bytes = await tarOf({ a: COREDUMP, b: NATIVE })
        const zipped = gzipSync(bytes)
        const flipped = Buffer.from(zipped)
        flipped[zipped.length - 100] = (flipped[zipped.length - 100] ?? 0) ^ 0xff
        for (const [what, from, gzip] of [
          ['a cut tar', bytes.subarray(0, -NATIVE.length), false],
          ['a cut gzip', zipped.subarray(0, -9), true],
        ] as const) {
          const { plugins, past } = await search(source(from), gzip)
          expect(plugins[0], what).to.equal(digestOf(COREDUMP))
          expect(past, what).to.equal(undefined)
        }
        expect((await search(source(flipped), true)).past).to.equal(undefined)
        expect((await search(source(Buffer.from('no gzip at all')), true)).plugins).to.deep.equal([])
        expect((await search(source(gzipSync('no tar')), true)).plugins).to.deep.equal([])
        expect((await search(source(Buffer.alloc(0)))).plugins).to.deep.equal([])
      })

      it('a bomb is unpacked up to the limit and no further', async () => {
        const zeros = Buffer.alloc(MIB)
        const gzip = createGzip({ level: constants.Z_BEST_SPEED })
        let unpacked = 0
        Readable.from(
          (async function* () {
            yield (await tarOf({ a: COREDUMP })).subarray(0, -1024)
            for (; unpacked < 500 * MIB; unpacked += MIB) yield zeros
          })(),
        ).pipe(gzip)
        const found = await search(gzip as unknown as Readable, true, { bytes: 8 * MIB })
        expect(found).to.deep.equal({
          bytes: 8 * MIB,
          entries: 1,
          plugins: [digestOf(COREDUMP)],
          past: `the archive unpacks to more than ${8 * MIB} bytes`,
        })
        expect(unpacked, 'of what was there').to.be.below(200 * MIB)
        expect(gzip.destroyed).to.equal(true)
      })

      it('an error of the source is thrown, and is no damage of the archive', async () => {
        for (const gzip of [false, true]) {
          const from = Readable.from(
            (async function* () {
              yield gzip ? gzipSync('abc').subarray(0, 12) : Buffer.alloc(10)
              throw new Error('disk gone')
            })(),
            { objectMode: false },
          )
          const error = await search(from, gzip).catch((thrown: Error) => thrown)
          expect(error).to.be.instanceOf(Error).with.property('message', 'disk gone')
        }
      })

      it('an error while a plugin is stored is thrown, and the next archive is searched', async () => {
        const bytes = await tarOf({ a: COREDUMP })
        const from = source(bytes)
        const error = await analyzer
          .unpack(
            async () => from,
            { gzip: false, limits: LIMITS },
            async () => {
              throw new Error('disk full')
            },
          )
          .catch((thrown: Error) => thrown)
        expect(error).to.have.property('message', 'disk full')
        expect((await search(source(bytes))).plugins).to.have.length(1)
      })
    })
  }

  it('it stops where it is when nobody asks for the next plugin', async () => {
    const from = source(gzipSync(await tarOf({ a: COREDUMP, b: NATIVE })))
    for await (const { binary } of unpack(from, { gzip: true, limits: LIMITS })) {
      expect(binary).to.equal(digestOf(COREDUMP))
      break
    }
    expect(from.destroyed).to.equal(true)
  })
})
