import { close, fdatasync, fstat, fsync, ftruncate, futimes, open, read, type Stats, writev } from 'node:fs'
import { promisify } from 'node:util'

/** What is done with an open file here. A FileHandle of node:fs/promises is one as well. */
export interface OpenFile {
  read(buffer: Uint8Array, offset: number, length: number, position: number): Promise<{ bytesRead: number }>
  writev(buffers: readonly Uint8Array[], position: number): Promise<{ bytesWritten: number }>
  stat(): Promise<Stats>
  truncate(size: number): Promise<void>
  utimes(accessed: Date, modified: Date): Promise<void>
  datasync(): Promise<void>
  sync(): Promise<void>
  /** Behind all that is under way; no more is taken from then on. */
  close(): Promise<void>
}

/** Opens the file as open(2) does. Nobody but its user closes it. */
export async function openFile(path: string, flags: string | number, mode?: number): Promise<OpenFile> {
  return new Descriptor(await calls.open(path, flags, mode))
}

const calls = {
  close: promisify(close),
  datasync: promisify(fdatasync),
  open: promisify(open),
  read: promisify(read),
  stat: promisify(fstat),
  sync: promisify(fsync),
  truncate: promisify(ftruncate),
  utimes: promisify(futimes),
  writev: promisify(writev),
}

const CLOSED = -1

class Descriptor implements OpenFile {
  #fd: number
  #underWay = 0
  #idle = () => {}

  constructor(fd: number) {
    this.#fd = fd
  }

  read(buffer: Uint8Array, offset: number, length: number, position: number) {
    return this.#call(fd => calls.read(fd, buffer, offset, length, position))
  }

  writev(buffers: readonly Uint8Array[], position: number) {
    return this.#call(fd => calls.writev(fd, buffers, position))
  }

  stat() {
    return this.#call(fd => calls.stat(fd))
  }

  truncate(size: number) {
    return this.#call(fd => calls.truncate(fd, size))
  }

  utimes(accessed: Date, modified: Date) {
    return this.#call(fd => calls.utimes(fd, accessed, modified))
  }

  datasync() {
    return this.#call(fd => calls.datasync(fd))
  }

  sync() {
    return this.#call(fd => calls.sync(fd))
  }

  /** The number of a closed file is that of whatever is opened next: a call that comes late would go to that. */
  async close() {
    const fd = this.#fd
    if (fd === CLOSED) return
    this.#fd = CLOSED
    if (this.#underWay > 0) {
      await new Promise<void>(resolve => {
        this.#idle = resolve
      })
    }
    await calls.close(fd)
  }

  async #call<T>(call: (fd: number) => Promise<T>): Promise<T> {
    if (this.#fd === CLOSED) throw Object.assign(new Error('EBADF: the file is closed'), { code: 'EBADF' })
    this.#underWay++
    try {
      return await call(this.#fd)
    } finally {
      if (--this.#underWay === 0) this.#idle()
    }
  }
}
