import { createReadStream } from 'node:fs'
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { PassThrough, Readable } from 'node:stream'
import { buffer, text } from 'node:stream/consumers'
import { expect } from 'chai'
import { type Header, pack } from 'tar-stream'
import { readTarLayout } from '../../src/archive/tar-layout.ts'
import { TarWriter } from '../../src/archive/tar-writer.ts'
import { digestOf } from '../../src/oci/digest.ts'
import { LAYOUT_HEADER, layoutPath, MAX_INDEX_BYTES } from '../../src/oci/layout.ts'
import { refusal } from '../support/refusal.ts'
import { once } from '../support/registry.ts'
import { tmpDir } from '../support/tmp.ts'

describe('archive: a layout in a tar', () => {
  const fresh = tmpDir()
  const long = Buffer.alloc(3_000_000, 'x')
  const contents = [Buffer.from('a'), Buffer.alloc(0), long]

  async function fill(writer: TarWriter): Promise<void> {
    for (const bytes of contents) await writer.put(digestOf(bytes, 'sha512'), bytes.length, once(bytes))
    await writer.finish('{"index":1}')
  }

  async function read(source: Readable): Promise<{ index: string; blobs: Record<string, string> }> {
    const blobs: Record<string, string> = {}
    const index = await readTarLayout(source, async (digest, size, bytes) => {
      blobs[digest] = `${size} ${digestOf(await buffer(bytes), 'sha512') === digest}`
    })
    return { index: Buffer.from(index).toString(), blobs }
  }

  const expected = {
    index: '{"index":1}',
    blobs: Object.fromEntries(contents.map(bytes => [digestOf(bytes, 'sha512'), `${bytes.length} true`])),
  }

  async function tar(
    ...entries: [header: Partial<Header> & { name: string }, content?: string][]
  ): Promise<Readable> {
    const packed = pack()
    for (const [header, content = ''] of entries) packed.entry(header, content)
    packed.finalize()
    return Readable.from([await buffer(packed as unknown as Readable)])
  }
  const layout = { name: './oci-layout' }

  describe('written to a file', () => {
    it('comes back, and is the same where it is written again', async () => {
      const folder = await fresh()
      for (const name of ['a.tar', 'b.tar']) await fill(await TarWriter.open(join(folder, name)))
      expect(await read(createReadStream(join(folder, 'a.tar')))).to.deep.equal(expected)
      const [a, b] = [await readFile(join(folder, 'a.tar')), await readFile(join(folder, 'b.tar'))]
      expect(a.equals(b)).to.equal(true)
      expect((await readdir(folder)).sort()).to.deep.equal(['a.tar', 'b.tar'])
    })

    it('has its name when it is finished, and none where it is given up', async () => {
      const folder = await fresh()
      const writer = await TarWriter.open(join(folder, 'a.tar'))
      await writer.put(digestOf('a'), 1, once('a'))
      expect(await readdir(folder)).to.deep.equal([`a.tar.${process.pid}.new`])
      await writer.abort()
      expect(await readdir(folder)).to.deep.equal([])
    })
  })

  describe('written to a stream', () => {
    it('comes back, and the stream stays open', async () => {
      const stream = new PassThrough()
      const reading = read(stream)
      await fill(TarWriter.to(stream))
      expect(stream.writable).to.equal(true)
      stream.end()
      expect(await reading).to.deep.equal(expected)
    })

    it('whose reader leaves -> fails', async () => {
      const stream = new PassThrough()
      const writer = TarWriter.to(stream)
      stream.once('error', () => {}).destroy(new Error('nobody reads'))
      expect(await refusal(fill(writer))).not.to.match(/went well/)
    })
  })

  describe('of another tool', () => {
    it('may name its files ./, hold other things, and have index.json before the blobs', async () => {
      const source = await tar(
        [{ name: './', type: 'directory' }],
        [{ name: './index.json' }, '{}'],
        [layout, LAYOUT_HEADER],
        [{ name: 'manifest.json' }, '[]'],
        [{ name: `./${layoutPath(digestOf('a'))}` }, 'a'],
        [{ name: layoutPath(digestOf('b')), type: 'symlink', linkname: '/etc/passwd' }],
        [{ name: `../${layoutPath(digestOf('c'))}` }, 'c'],
      )
      const taken: string[] = []
      await readTarLayout(source, async digest => void taken.push(digest))
      expect(taken).to.deep.equal([digestOf('a')])
    })

    it('may have blobs that nobody reads', async () => {
      const source = await tar(
        [{ name: layoutPath(digestOf(long)) }, long.toString()],
        [layout, LAYOUT_HEADER],
        [{ name: 'index.json' }, '{}'],
      )
      expect(await text(Readable.from([await readTarLayout(source, async () => {})]))).to.equal('{}')
    })

    for (const [what, source, error] of [
      [
        'that is no tar',
        async () => Readable.from([Buffer.alloc(2000, 'x')]),
        'it is no tar, or it is damaged',
      ],
      [
        'that is cut off',
        async () => Readable.from([(await buffer(await tar([layout, LAYOUT_HEADER]))).subarray(0, 520)]),
        'it is no tar, or it is damaged',
      ],
      [
        'that is cut off in a blob',
        async () =>
          Readable.from([
            (await buffer(await tar([{ name: layoutPath(digestOf('a')) }, long.toString()]))).subarray(
              0,
              99_000,
            ),
          ]),
        'it is no tar, or it is damaged',
      ],
      [
        'without oci-layout',
        () => tar([{ name: 'index.json' }, '{}']),
        'it has no oci-layout: it is no OCI image layout',
      ],
      [
        'without index.json',
        () => tar([layout, LAYOUT_HEADER]),
        'it has no index.json: it is no OCI image layout',
      ],
      [
        'of a later version',
        () => tar([layout, '{"imageLayoutVersion":"2.0.0"}'], [{ name: 'index.json' }, '{}']),
        'MANIFEST_INVALID',
      ],
    ] as const) {
      it(`${what} -> ${error}`, async () => {
        expect(await refusal(read(await source()))).to.equal(error)
      })
    }

    it('with an index.json that is too large -> is not read', async () => {
      const packed = pack().on('error', () => {})
      packed
        .entry({ name: 'index.json', size: MAX_INDEX_BYTES + 1 })
        .on('error', () => {})
        .write(Buffer.alloc(10_000))
      const source = Readable.from(packed as unknown as AsyncIterable<Buffer>)
      expect(await refusal(read(source))).to.equal('its index.json is too large')
    })

    it('fails as whoever takes a blob does', async () => {
      const source = await tar([{ name: layoutPath(digestOf('a')) }, 'a'])
      const full = Object.assign(new Error('no space'), { code: 'ENOSPC' })
      expect(await refusal(readTarLayout(source, async () => Promise.reject(full)))).to.equal('no space')
    })
  })
})
