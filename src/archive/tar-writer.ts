import { Readable, type Writable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { pack } from 'tar-stream'
import { orAbsent } from '../lib/errno.ts'
import type { OpenFile } from '../lib/open-file.ts'
import { writeAll } from '../lib/write-all.ts'
import type { Digest } from '../oci/digest.ts'
import { layoutDocuments, layoutPath } from '../oci/layout.ts'
import { DurableDisk, FILE_MODE } from '../store/durable.ts'
import type { LayoutWriter } from './contract.ts'

/** The same content is the same tar. */
const NO_TIME = new Date(0)

/** The file that the tar is written to, until it is whole. */
interface Staged {
  readonly disk: DurableDisk
  readonly file: OpenFile
  readonly path: string
  readonly staged: string
}

/** A layout as a tar, its index.json at the end. */
export class TarWriter implements LayoutWriter {
  readonly forGood = true
  readonly #pack = pack()
  readonly #content = new Set<Digest>()
  /** Settles when the tar has left; rejects where nobody takes it any more. */
  readonly #sent: Promise<void>
  readonly #staged: Staged | undefined

  private constructor(send: (tar: AsyncIterable<Uint8Array>) => Promise<void>, staged?: Staged) {
    this.#staged = staged
    this.#sent = send(this.#pack as AsyncIterable<Buffer>)
    // Told to whoever puts something in, or finishes.
    this.#sent.catch(() => {})
    this.#pack.on('error', () => {})
    this.#pack.entry({ name: 'blobs', type: 'directory', mtime: NO_TIME }).on('error', () => {})
  }

  /** To a stream, which it does not end. */
  static to(stream: Writable): TarWriter {
    return new TarWriter(tar => pipeline(Readable.from(tar), stream, { end: false }))
  }

  /** To a file, which has its name when the tar is finished. */
  static async open(path: string): Promise<TarWriter> {
    const disk = new DurableDisk()
    // Its own, should another process write to the same path.
    const staged = `${path}.${process.pid}.new`
    const file = await disk.fs.open(staged, 'w', FILE_MODE)
    const send = async (tar: AsyncIterable<Uint8Array>) => {
      let end = 0
      for await (const chunk of tar) end = await writeAll(file, [chunk], end)
    }
    return new TarWriter(send, { disk, file, path, staged })
  }

  async has(digest: Digest): Promise<boolean> {
    return this.#content.has(digest)
  }

  async put(digest: Digest, size: number, bytes: AsyncIterable<Uint8Array>): Promise<void> {
    await this.#add(layoutPath(digest), size, bytes)
    this.#content.add(digest)
  }

  async finish(index: string): Promise<void> {
    for (const [name, bytes] of layoutDocuments(index)) await this.#add(name, bytes.length, [bytes])
    this.#pack.finalize()
    await this.#sent
    if (!this.#staged) return
    const { disk, file, path, staged } = this.#staged
    await disk.publish(file, staged, path)
    await file.close()
  }

  async abort(): Promise<void> {
    this.#pack.destroy()
    if (!this.#staged) return
    const { disk, file, staged } = this.#staged
    await file.close()
    await orAbsent(disk.fs.unlink(staged))
  }

  async #add(
    name: string,
    size: number,
    bytes: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
  ): Promise<void> {
    await Promise.race([pipeline(bytes, this.#pack.entry({ name, size, mtime: NO_TIME })), this.#sent])
  }
}
