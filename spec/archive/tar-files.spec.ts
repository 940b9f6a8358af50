import { PassThrough, Readable } from 'node:stream'
import { buffer } from 'node:stream/consumers'
import { constants, createGzip, gzipSync } from 'node:zlib'
import { expect } from 'chai'
import fc from 'fast-check'
import { type Header, pack } from 'tar-stream'
import { TarError, tarFiles } from '../../src/archive/tar-files.ts'

const LIMITS = { file: 10_000, total: 1_000_000, entries: 100 }
const ELF = (more: string | number = '') =>
  Buffer.concat([Buffer.from('\x7fELF'), typeof more === 'number' ? Buffer.alloc(more) : Buffer.from(more)])

type Entry = [header: Partial<Header> & { name: string }, content?: Buffer]

async function tar(...entries: Entry[]): Promise<Buffer> {
  const packed = pack()
  for (const [header, content] of entries) packed.entry(header, content ?? Buffer.alloc(0))
  packed.finalize()
  return await buffer(packed as unknown as Readable)
}

/** The bytes in pieces of that size. */
function source(bytes: Uint8Array, size = 65_536): Readable {
  const chunks = Array.from({ length: Math.ceil(bytes.length / size) }, (_, i) =>
    bytes.subarray(i * size, (i + 1) * size),
  )
  return Readable.from(chunks, { objectMode: false })
}

const isElf = (head: Buffer) => head.subarray(0, 4).toString('latin1') === '\x7fELF'

async function files(
  from: Readable,
  {
    gzip = false,
    wanted = isElf,
    limits = {},
  }: { gzip?: boolean; wanted?: (head: Buffer) => boolean; limits?: Partial<typeof LIMITS> } = {},
): Promise<[string, number][]> {
  const found: [string, number][] = []
  for await (const { name, bytes } of tarFiles(from, { gzip, wanted, limits: { ...LIMITS, ...limits } })) {
    found.push([name, bytes.length])
  }
  return found
}

async function failure(work: Promise<unknown>): Promise<Error> {
  return await work.then(
    value => expect.fail(`it went well: ${JSON.stringify(value)}`),
    (error: Error) => error,
  )
}

describe('archive/tar-files', () => {
  it('gives the files whose first bytes are wanted, in their order, byte for byte', async () => {
    const one = ELF('one')
    const two = ELF(5000)
    const bytes = await tar(
      [{ name: 'README' }, Buffer.from('read me')],
      [{ name: 'lib/a.so' }, one],
      [{ name: 'lib/b.so' }, two],
      [{ name: 'LICENSE' }, Buffer.from('MIT License')],
    )
    const found = []
    for await (const file of tarFiles(source(bytes), { gzip: false, wanted: isElf, limits: LIMITS }))
      found.push(file)
    expect(found).to.deep.equal([
      { name: 'lib/a.so', bytes: one },
      { name: 'lib/b.so', bytes: two },
    ])
  })

  it('reads a gzipped one the same', async () => {
    const bytes = await tar([{ name: 'a' }, ELF('x')], [{ name: 'b' }, ELF(9000)])
    expect(await files(source(gzipSync(bytes)), { gzip: true })).to.deep.equal([
      ['a', 5],
      ['b', 9004],
    ])
  })

  it('does not mind how the bytes are cut', async () => {
    const bytes = await tar(
      [{ name: 'a' }, ELF('x')],
      [{ name: 'b' }, ELF(2000)],
      [{ name: 'c' }, Buffer.from('no')],
    )
    const expected = await files(source(bytes))
    expect(expected).to.have.length(2)
    for (const size of [1, 3, 100, 511, 512, 513]) {
      expect(await files(source(bytes, size)), `${size}`).to.deep.equal(expected)
      expect(await files(source(gzipSync(bytes), size), { gzip: true }), `gzip ${size}`).to.deep.equal(
        expected,
      )
    }
  })

  it('passes over what is no regular file', async () => {
    const bytes = await tar(
      [{ name: 'folder/', type: 'directory' }],
      [{ name: 'link', type: 'symlink', linkname: '/etc/passwd' }],
      [{ name: 'hard', type: 'link', linkname: '../../a' }],
      [{ name: 'null', type: 'character-device' }],
      [{ name: 'fifo', type: 'fifo' }],
      [{ name: 'a' }, ELF()],
    )
    expect(await files(source(bytes), { wanted: () => true })).to.deep.equal([['a', 4]])
  })

  it('passes over files of fewer than four bytes, which are nothing anybody wants', async () => {
    const bytes = await tar(
      [{ name: 'empty' }],
      [{ name: 'short' }, Buffer.from('abc')],
      [{ name: 'a' }, ELF()],
    )
    expect(await files(source(bytes), { wanted: () => true })).to.deep.equal([['a', 4]])
  })

  it('passes over a file past the limit, and goes on', async () => {
    const bytes = await tar([{ name: 'big' }, ELF(10_000)], [{ name: 'fits' }, ELF(9996)])
    expect(await files(source(bytes))).to.deep.equal([['fits', 10_000]])
  })

  it('gives names as they are: they are never a path of ours', async () => {
    const name = `${'../'.repeat(60)}etc/${'x'.repeat(100)}`
    const bytes = await tar([{ name: '/etc/passwd' }, ELF()], [{ name }, ELF()], [{ name: 'ä/内存' }, ELF()])
    expect((await files(source(bytes))).map(([found]) => found)).to.deep.equal([
      '/etc/passwd',
      name,
      'ä/内存',
    ])
  })

  it('finds nothing in an empty archive', async () => {
    expect(await files(source(await tar()))).to.deep.equal([])
    expect(await files(source(Buffer.alloc(1024)))).to.deep.equal([])
    expect(await files(source(gzipSync(await tar())), { gzip: true })).to.deep.equal([])
  })

  it('may be left early, and lets go of the source', async () => {
    const from = source(await tar([{ name: 'a' }, ELF()], [{ name: 'b' }, ELF(9000)]), 100)
    for await (const { name } of tarFiles(from, { gzip: false, wanted: isElf, limits: LIMITS })) {
      expect(name).to.equal('a')
      break
    }
    expect(from.destroyed).to.equal(true)
  })

  it('lets go of the source at the end, and where it fails', async () => {
    const whole = source(await tar([{ name: 'a' }, ELF()]))
    await files(whole)
    expect(whole.destroyed).to.equal(true)
    const damaged = source(Buffer.alloc(5000, 'x'))
    await failure(files(damaged))
    expect(damaged.destroyed).to.equal(true)
  })

  it('fails with the error of the source as the cause', async () => {
    const from = new PassThrough()
    const reading = failure(files(from))
    from.write(Buffer.alloc(100))
    setImmediate(() => from.destroy(new Error('disk gone')))
    const error = await reading
    expect(error).to.be.instanceOf(TarError)
    expect(String(error.cause)).to.include('disk gone')
  })

  for (const [what, damage] of Object.entries({
    'is no tar': () => Buffer.alloc(5000, 'x'),
    'ends in a file': (bytes: Buffer) => bytes.subarray(0, 1000),
    'ends in a header': (bytes: Buffer) => bytes.subarray(0, 300),
    'has a wrong checksum': (bytes: Buffer) => {
      bytes[150] = 0x39
      return bytes
    },
  })) {
    it(`refuses one that ${what}`, async () => {
      const bytes = damage(await tar([{ name: 'a' }, ELF(5000)], [{ name: 'b' }, ELF()]))
      expect(await failure(files(source(bytes)))).to.be.instanceOf(TarError)
      expect(await failure(files(source(gzipSync(bytes)), { gzip: true }))).to.be.instanceOf(TarError)
    })
  }

  it('refuses a gzip that is damaged, cut short, or none', async () => {
    const bytes = gzipSync(await tar([{ name: 'a' }, ELF(5000)]))
    const flipped = Buffer.from(bytes)
    flipped[20] = (flipped[20] ?? 0) ^ 0xff
    for (const damaged of [
      flipped,
      bytes.subarray(0, 30),
      bytes.subarray(0, -5),
      Buffer.from('no gzip at all'),
    ]) {
      expect(await failure(files(source(damaged), { gzip: true }))).to.be.instanceOf(TarError)
    }
  })

  it('refuses more entries than the limit', async () => {
    const entries = Array.from({ length: 101 }, (_, i): Entry => [{ name: `${i}` }, ELF()])
    expect(await files(source(await tar(...entries.slice(1))))).to.have.length(100)
    const error = await failure(files(source(await tar(...entries))))
    expect(error).to.be.instanceOf(TarError).with.property('message', 'the archive is too large to look into')
  })

  it('refuses more bytes than the limit, wanted or not', async () => {
    const bytes = await tar([{ name: 'a' }, Buffer.alloc(9000)], [{ name: 'b' }, ELF(9000)])
    const error = await failure(files(source(bytes), { limits: { total: 15_000 } }))
    expect(error).to.be.instanceOf(TarError).with.property('message', 'the archive is too large to look into')
  })

  it('refuses a header that promises more than the limit, without waiting for it', async () => {
    const header = (await tar([{ name: 'a' }])).subarray(0, 512)
    header.write('00077777777\0', 124)
    const from = new PassThrough()
    from.write(sealed(header))
    // Nothing more ever comes.
    expect(await failure(files(from))).to.have.property('message', 'the archive is too large to look into')
  })

  for (const [what, make] of Object.entries({
    'zeros behind its end': async () => Buffer.alloc(1024 * 1024),
    'long names that are never used': longNames,
  })) {
    it(`refuses a bomb of ${what}`, async () => {
      const filler = await make()
      const gzip = createGzip({ level: constants.Z_BEST_SPEED })
      let unpacked = 0
      Readable.from(
        (async function* () {
          yield (await tar([{ name: 'a' }, ELF()])).subarray(0, 1024)
          for (; unpacked < 200 * 1024 * 1024; unpacked += filler.length) yield filler
        })(),
      ).pipe(gzip)
      const error = await failure(files(gzip as unknown as Readable, { gzip: true }))
      expect(error)
        .to.be.instanceOf(TarError)
        .with.property('message', 'the archive is too large to look into')
      expect(unpacked).to.be.below(50 * 1024 * 1024)
    })
  }

  it('answers or refuses whatever the bytes are, and never hangs', async () => {
    const good = await tar([{ name: 'a' }, ELF('abc')], [{ name: 'b'.repeat(150) }, ELF(700)])
    const change = fc.record({ at: fc.nat(good.length - 1), byte: fc.nat(255) })
    await fc.assert(
      fc.asyncProperty(fc.array(change, { maxLength: 8 }), fc.nat(good.length), async (changes, length) => {
        const bytes = Buffer.from(good)
        for (const { at, byte } of changes) bytes[at] = byte
        try {
          await files(source(bytes.subarray(0, length), 700))
        } catch (error) {
          expect(error).to.be.instanceOf(TarError)
        }
      }),
      { numRuns: 300 },
    )
  })
})

/** A GNU long name of 1 MB without the file that it is for. */
async function longNames(): Promise<Buffer> {
  const bytes = await tar([{ name: 'x' }, Buffer.alloc(1024 * 1024, 'n')])
  bytes[156] = 'L'.charCodeAt(0)
  sealed(bytes.subarray(0, 512))
  return bytes.subarray(0, 512 + 1024 * 1024)
}

/** The header with the checksum that it should have. */
function sealed(header: Buffer): Buffer {
  header.fill(' ', 148, 156)
  const sum = header.reduce((total, byte) => total + byte, 0)
  header.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148)
  return header
}
