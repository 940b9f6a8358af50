import { buffer } from 'node:stream/consumers'
import { expect } from 'chai'
import fc from 'fast-check'
import { type Header, pack } from 'tar-stream'
import { TarError, TarFiles } from '../../src/archive/tar-files.ts'

const LIMITS = { file: 10_000, entries: 100 }
const ELF = (more: string | number = '') =>
  Buffer.concat([Buffer.from('\x7fELF'), typeof more === 'number' ? Buffer.alloc(more) : Buffer.from(more)])

type Entry = [header: Partial<Header> & { name: string }, content?: Buffer]

async function tar(...entries: Entry[]): Promise<Buffer> {
  const packed = pack()
  for (const [header, content] of entries) packed.entry(header, content ?? Buffer.alloc(0))
  packed.finalize()
  return await buffer(packed as unknown as NodeJS.ReadableStream)
}

/** A header alone, with the checksum that it should have. */
function header(type: string, size: number | string, name = 'x'): Buffer {
  const bytes = Buffer.alloc(512)
  bytes.write(name)
  bytes.write(typeof size === 'string' ? size : size.toString(8).padStart(11, '0'), 124, 'latin1')
  bytes.write(type, 156)
  bytes.write('ustar\x0000', 257)
  bytes.fill(' ', 148, 156)
  const sum = bytes.reduce((total, byte) => total + byte, 0)
  bytes.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148)
  return bytes
}

/** The content with the zeros up to the next block. */
function padded(content: string | Buffer): Buffer {
  const bytes = Buffer.from(content as string)
  return Buffer.concat([bytes, Buffer.alloc((512 - (bytes.length % 512)) % 512)])
}

function pax(...records: string[]): Buffer {
  const body = records
    .map(record => {
      const length = record.length + 4
      return `${length} ${record}\n`
    })
    .join('')
  return Buffer.concat([header('x', body.length), padded(body)])
}

const isElf = (head: Uint8Array) => Buffer.from(head).toString('latin1') === '\x7fELF'

function files(
  bytes: Uint8Array,
  {
    cut = 65_536,
    wanted = isElf,
    limits = {},
  }: { cut?: number; wanted?: typeof isElf; limits?: object } = {},
): Buffer[] {
  const found: Buffer[] = []
  const scan = new TarFiles(wanted, { ...LIMITS, ...limits })
  for (let at = 0; at < bytes.length; at += cut)
    for (const file of scan.add(bytes.subarray(at, at + cut))) found.push(Buffer.from(file))
  scan.end()
  return found
}

const sizes = (...args: Parameters<typeof files>) => files(...args).map(({ length }) => length)

function failure(work: () => unknown): Error {
  try {
    work()
  } catch (error) {
    return error as Error
  }
  return expect.fail('it went well')
}

describe('archive/tar-files', () => {
  it('files whose first bytes are wanted come in their order, byte for byte', async () => {
    const [one, two] = [ELF('one'), ELF(5000)]
    const bytes = await tar(
      [{ name: 'README' }, Buffer.from('read me')],
      [{ name: 'lib/a.so' }, one],
      [{ name: 'lib/b.so' }, two],
      [{ name: 'LICENSE' }, Buffer.from('MIT License')],
    )
    expect(files(bytes)).to.deep.equal([one, two])
  })

  it('files are the same however the bytes of the tar are cut', async () => {
    const bytes = await tar(
      [{ name: 'a' }, ELF('x')],
      [{ name: 'b'.repeat(150) }, ELF(2000)],
      [{ name: 'c' }, Buffer.from('no')],
    )
    const expected = files(bytes)
    expect(expected).to.have.length(2)
    for (const cut of [1, 3, 100, 511, 512, 513])
      expect(files(bytes, { cut }), `${cut}`).to.deep.equal(expected)
  })

  it('a file of any name is found: long, with other letters, absolute, PAX and GNU', async () => {
    const names = ['/etc/passwd', `${'../'.repeat(60)}etc/${'x'.repeat(100)}`, 'ä/内存']
    expect(sizes(await tar(...names.map((name): Entry => [{ name }, ELF()])))).to.deep.equal([4, 4, 4])
    const gnu = [header('L', 700), padded('n'.repeat(700)), header('0', 4), padded(ELF())]
    expect(sizes(Buffer.concat(gnu))).to.deep.equal([4])
  })

  it('what is no regular file is passed over', async () => {
    const bytes = await tar(
      [{ name: 'folder/', type: 'directory' }],
      [{ name: 'link', type: 'symlink', linkname: '/etc/passwd' }],
      [{ name: 'hard', type: 'link', linkname: '../../a' }],
      [{ name: 'null', type: 'character-device' }],
      [{ name: 'fifo', type: 'fifo' }],
      [{ name: 'a' }, ELF()],
    )
    expect(sizes(bytes, { wanted: () => true })).to.deep.equal([4])
  })

  it('a sparse file is passed over, because its content is a map and pieces', () => {
    const old = [header('S', 4), padded(ELF())]
    const bytes = [
      pax('GNU.sparse.major=1'),
      header('0', 4),
      padded(ELF()),
      ...old,
      header('0', 5),
      padded(ELF('x')),
    ]
    expect(sizes(Buffer.concat(bytes))).to.deep.equal([5])
  })

  it('the size in a PAX header counts, for the next entry alone', () => {
    const bytes = [pax('size=8'), header('0', 0), padded(ELF('long')), header('0', 4), padded(ELF())]
    expect(sizes(Buffer.concat(bytes))).to.deep.equal([8, 4])
  })

  it('a PAX header that is damaged or larger than 64 KiB says nothing', () => {
    for (const body of [
      'size=8',
      '99 size=8\n',
      '3 size=8\n',
      '10 size=x8\n',
      `7 size=8\n${'\0'.repeat(70_000)}`,
    ]) {
      const bytes = [header('x', body.length), padded(body), header('0', 4), padded(ELF())]
      expect(sizes(Buffer.concat(bytes)), body.slice(0, 12)).to.deep.equal([4])
    }
  })

  it('a size in base 256 is read', () => {
    const size = `\x80${'\0'.repeat(10)}\x05`
    expect(sizes(Buffer.concat([header('0', size), padded(ELF('x'))]))).to.deep.equal([5])
  })

  it('files of fewer than four bytes, and past the limit, are passed over', async () => {
    const bytes = await tar(
      [{ name: 'empty' }],
      [{ name: 'short' }, Buffer.from('abc')],
      [{ name: 'big' }, ELF(10_000)],
      [{ name: 'fits' }, ELF(9996)],
    )
    expect(sizes(bytes, { wanted: () => true })).to.deep.equal([10_000])
  })

  it('an empty archive has no files, and zeros in the middle end nothing', async () => {
    expect(files(await tar())).to.deep.equal([])
    expect(files(Buffer.alloc(1024))).to.deep.equal([])
    expect(files(Buffer.alloc(0))).to.deep.equal([])
    const two = Buffer.concat([await tar([{ name: 'a' }, ELF()]), await tar([{ name: 'b' }, ELF('x')])])
    expect(sizes(two)).to.deep.equal([4, 5])
  })

  for (const [what, damage] of Object.entries({
    'is no tar': () => Buffer.alloc(5000, 'x'),
    'ends in a file': (bytes: Buffer) => bytes.subarray(0, 1000),
    'ends in a header': (bytes: Buffer) => bytes.subarray(0, 300),
    'has a wrong checksum': (bytes: Buffer) => bytes.fill('9', 150, 151),
    'has a negative size': () => header('0', `\xff${'\xff'.repeat(11)}`),
    'has a size that is no number': () => header('0', '12x45'),
    'has a size that no number holds': () => header('0', `\x80${'\xff'.repeat(11)}`),
  })) {
    it(`an archive that ${what} is damaged`, async () => {
      const bytes = damage(await tar([{ name: 'a' }, ELF(5000)], [{ name: 'b' }, ELF()]))
      expect(failure(() => files(bytes)))
        .to.be.instanceOf(TarError)
        .and.include({ limit: false })
    })
  }

  it('an archive with more entries than the limit is read up to it', async () => {
    const entries = Array.from({ length: 101 }, (_, i): Entry => [{ name: `${i}` }, ELF()])
    expect(files(await tar(...entries.slice(1)))).to.have.length(100)
    const many = Buffer.concat(Array.from({ length: 101 }, () => header('0', 0)))
    const error = failure(() => files(many))
    expect(error).to.include({ limit: true, message: 'the archive has more than 100 entries' })
  })

  it('headers that belong to no entry count too', () => {
    for (const type of ['x', 'g', 'L', 'K']) {
      const endless = Buffer.concat(Array.from({ length: 401 }, () => header(type, 0)))
      expect(
        failure(() => files(endless)),
        type,
      ).to.include({ limit: true })
    }
  })

  it('a header that promises much takes no memory before the bytes are there', () => {
    const scan = new TarFiles(isElf, { file: 2 ** 40, entries: 10 })
    expect([...scan.add(header('0', '77777777777'))]).to.deep.equal([])
    expect([...scan.add(Buffer.from('text that nobody wants'))]).to.deep.equal([])
  })

  it('whatever the bytes are, files come out or a TarError', async () => {
    const good = await tar([{ name: 'a' }, ELF('abc')], [{ name: 'b'.repeat(150) }, ELF(700)])
    const change = fc.record({ at: fc.nat(good.length - 1), byte: fc.nat(255) })
    fc.assert(
      fc.property(fc.array(change, { maxLength: 8 }), fc.nat(good.length), (changes, length) => {
        const bytes = Buffer.from(good)
        for (const { at, byte } of changes) bytes[at] = byte
        try {
          files(bytes.subarray(0, length), { cut: 700 })
        } catch (error) {
          expect(error).to.be.instanceOf(TarError)
        }
      }),
      { numRuns: 300 },
    )
  })
})
