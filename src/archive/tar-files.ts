export interface TarLimits {
  /** Bytes of one file; a larger one is passed over. */
  readonly file: number
  /** Entries of any kind. */
  readonly entries: number
}

/** The archive is damaged, or went past a limit. */
export class TarError extends Error {
  override readonly name = 'TarError'
  /** Whether it went past a limit; what was read until then is sound. */
  readonly limit: boolean

  constructor(message: string, limit: boolean) {
    super(message)
    this.limit = limit
  }
}

const BLOCK = 512
const ZEROS = Buffer.alloc(BLOCK)

/** Headers of any kind for each entry, because an entry may have a long name, a long link and a PAX header of its own. */
const HEADERS_PER_ENTRY = 4

/** Bytes of a PAX header that is read; a larger one is passed over. Writers need a few hundred. */
const PAX_BYTES = 64 * 1024

/** As many bytes of a file decide whether it is wanted. */
const HEAD = 4

/** The bytes after a header, up to the next one. */
interface Body {
  kind: 'file' | 'pax' | 'skip'
  /** Bytes without the padding. */
  readonly size: number
  /** Bytes that are still to come, padding included. */
  left: number
  /** Bytes that were kept. */
  kept: number
  /** Why the file is passed over if its first bytes are wanted. */
  readonly unread?: string | undefined
}

/**
 * Finds the regular files of a tar (POSIX ustar and PAX, GNU) whose first bytes are wanted, while the bytes of the tar
 * come in. It is synchronous. It holds one header and one wanted file, and does not look at names.
 */
export class TarFiles {
  readonly #wanted: (head: Uint8Array) => boolean
  readonly #limits: TarLimits
  readonly #header = Buffer.alloc(BLOCK)
  readonly #head = Buffer.alloc(HEAD)
  #headerBytes = 0
  #body: Body | undefined
  /** The wanted file or the PAX header that is being read. The memory is used again for the next one. */
  #kept: Buffer = Buffer.alloc(0)
  /** What a PAX header says about the next entry. */
  #pax: { readonly size?: number; readonly sparse?: boolean } = {}
  #entries = 0
  #headers = 0
  #unread: string | undefined

  constructor(wanted: (head: Uint8Array) => boolean, limits: TarLimits) {
    this.#wanted = wanted
    this.#limits = limits
  }

  /** Number of entries so far. */
  get entries(): number {
    return this.#entries
  }

  /** Why a wanted file may be in it that was passed over; tools that unpack the archive restore it all the same. */
  get unread(): string | undefined {
    return this.#unread
  }

  /**
   * Takes the next bytes of the archive and returns the wanted files that end in them. A file is in shared memory and
   * valid until the next one is asked for. Throws `TarError`.
   */
  *add(chunk: Uint8Array): Generator<Buffer> {
    for (let at = 0; at < chunk.length; ) {
      const wantedBytes = this.#body ? this.#body.left : BLOCK - this.#headerBytes
      const part = chunk.subarray(at, at + wantedBytes)
      at += part.length
      if (this.#body) this.#addToBody(this.#body, part)
      else this.#addToHeader(part)
      const body = this.#body
      if (!body || body.left > 0) continue
      this.#body = undefined
      if (body.kind === 'pax') this.#pax = paxOf(this.#kept.subarray(0, body.size))
      else if (body.kind === 'file') yield this.#kept.subarray(0, body.size)
    }
  }

  /** The archive has ended. Throws `TarError` when it ends inside an entry. */
  end(): void {
    if (this.#body || this.#headerBytes > 0) throw damaged()
  }

  #addToHeader(part: Uint8Array): void {
    this.#header.set(part, this.#headerBytes)
    this.#headerBytes += part.length
    if (this.#headerBytes < BLOCK) return
    this.#headerBytes = 0
    // Zeros mark the end. Entries may follow all the same, because archives are concatenated.
    if (!this.#header.equals(ZEROS)) this.#body = this.#bodyAfter(this.#header)
  }

  #bodyAfter(header: Buffer): Body {
    if (header.toString('latin1', 257, 262) !== 'ustar' || !hasChecksum(header)) throw damaged()
    const type = String.fromCharCode(header[156] as number)
    const size = numberAt(header, 124, 12)
    if (++this.#headers > this.#limits.entries * HEADERS_PER_ENTRY) throw this.#tooMany()
    if (type === 'x' && size <= PAX_BYTES) {
      this.#makeRoom(size)
      return bodyOf('pax', size)
    }
    if (type === 'x') this.#unread ??= 'a header in the archive is too large'
    if (type === 'x' || type === 'g' || type === 'L' || type === 'K') return bodyOf('skip', size)
    if (++this.#entries > this.#limits.entries) throw this.#tooMany()
    const { size: whole = size, sparse = false } = this.#pax
    this.#pax = {}
    // A directory has no content, whatever its size field says.
    if (type === '5') return bodyOf('skip', 0)
    if (sparse || type === 'S') {
      this.#unread ??= 'a file in the archive is sparse'
      return bodyOf('skip', whole)
    }
    return bodyOf(whole >= HEAD ? 'file' : 'skip', whole, this.#unreadable(type, whole))
  }

  /** POSIX, ustar: an entry of an unknown type is restored as a regular file. */
  #unreadable(type: string, size: number): string | undefined {
    if (size > this.#limits.file) return `a binary in the archive has more than ${this.#limits.file} bytes`
    return type === '0' || type === '\0' ? undefined : 'a binary in the archive is no regular file'
  }

  #addToBody(body: Body, part: Uint8Array): void {
    body.left -= part.length
    let content = part.subarray(0, body.size - body.kept)
    if (body.kind === 'file' && body.kept < HEAD) {
      const head = content.subarray(0, HEAD - body.kept)
      this.#head.set(head, body.kept)
      body.kept += head.length
      content = content.subarray(head.length)
      if (body.kept < HEAD) return
      const wanted = this.#wanted(this.#head)
      if (wanted && body.unread) this.#unread ??= body.unread
      if (!wanted || body.unread) body.kind = 'skip'
      else this.#makeRoom(body.size).set(this.#head)
    }
    if (body.kind === 'skip') return
    this.#kept.set(content, body.kept)
    body.kept += content.length
  }

  #makeRoom(size: number): Buffer {
    if (this.#kept.length < size) this.#kept = Buffer.from(new SharedArrayBuffer(size))
    return this.#kept
  }

  #tooMany(): TarError {
    return new TarError(`the archive has more than ${this.#limits.entries} entries`, true)
  }
}

function bodyOf(kind: Body['kind'], size: number, unread?: string): Body {
  return { kind, size, left: Math.ceil(size / BLOCK) * BLOCK, kept: 0, unread }
}

function damaged(): TarError {
  return new TarError('the archive is damaged', false)
}

/** POSIX ustar: the sum of all bytes of the header, those of the checksum counted as spaces. */
function hasChecksum(header: Buffer): boolean {
  let sum = 0
  for (let i = 0; i < BLOCK; i++) sum += i >= 148 && i < 156 ? 0x20 : (header[i] as number)
  return sum === numberAt(header, 148, 8)
}

/** Octal digits, or as GNU tar writes large numbers: a set first bit and the number in base 256. */
function numberAt(header: Buffer, at: number, length: number): number {
  const field = header.subarray(at, at + length)
  let value = 0
  if (field[0] === 0x80) {
    for (const byte of field.subarray(1)) value = value * 256 + byte
  } else {
    const text = /^[\0 ]*([0-7]*)[\0 ]*$/.exec(field.toString('latin1'))
    if (!text) throw damaged()
    value = Number.parseInt(text[1] || '0', 8)
  }
  if (!Number.isSafeInteger(value)) throw damaged()
  return value
}

/** POSIX pax: records of the form `length key=value\n`, the length of the whole record in decimal digits. */
function paxOf(bytes: Buffer): { size?: number; sparse?: boolean } {
  const said: { size?: number; sparse?: boolean } = {}
  for (let at = 0; at < bytes.length; ) {
    const [, digits] = /^(\d{1,5}) /.exec(bytes.toString('latin1', at, at + 6)) ?? []
    const length = Number(digits)
    // Padding, or damage: what the records before it say holds.
    if (!digits || length <= digits.length + 1 || at + length > bytes.length) break
    const record = bytes.toString('latin1', at + digits.length + 1, at + length)
    const [, size] = /^size=(\d{1,15})\n$/.exec(record) ?? []
    if (size !== undefined) said.size = Number(size)
    // The content of a sparse file is a map and pieces of it, not its bytes.
    if (record.startsWith('GNU.sparse.')) said.sparse = true
    at += length
  }
  return said
}
