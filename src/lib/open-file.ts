import {
  close,
  closeSync,
  fdatasync,
  fstat,
  fsync,
  ftruncate,
  futimes,
  open,
  openSync,
  read,
  type Stats,
  writev,
} from 'node:fs'
import { isOutOfDescriptors } from './errno.ts'
import { spareDescriptors } from './spare-descriptors.ts'

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

/**
 * Opens the file as open(2) does. Its calls go by callbacks: open, stat, read and close take a quarter less processor
 * time than those of a FileHandle. Nobody but its user closes it. If no descriptor is left, it takes a spare one.
 */
export function openFile(path: string, flags: string | number, mode?: number): Promise<OpenFile> {
  return new Promise((resolve, reject) => {
    open(path, flags, mode, (error, fd) => {
      if (!error) resolve(new Descriptor(fd))
      else if (isOutOfDescriptors(error)) resolve(openBySpare(path, flags, mode))
      else reject(error)
    })
  })
}

async function openBySpare(path: string, flags: string | number, mode?: number): Promise<OpenFile> {
  return new Descriptor(
    spareDescriptors.spend(() => openSync(path, flags, mode)),
    true,
  )
}

type Done<T> = (error: Error | null, result?: T) => void

const CLOSED = -1

class Descriptor implements OpenFile {
  #fd: number
  #underWay = 0
  #idle = () => {}

  readonly #spare: boolean

  /** `spare`: its descriptor goes back to the spare ones. */
  constructor(fd: number, spare = false) {
    this.#fd = fd
    this.#spare = spare
  }

  read(buffer: Uint8Array, offset: number, length: number, position: number) {
    return this.#call<{ bytesRead: number }>((fd, done) =>
      read(fd, buffer, offset, length, position, (error, bytesRead) => done(error, { bytesRead })),
    )
  }

  writev(buffers: readonly Uint8Array[], position: number) {
    return this.#call<{ bytesWritten: number }>((fd, done) =>
      writev(fd, buffers, position, (error, bytesWritten) => done(error, { bytesWritten })),
    )
  }

  stat() {
    return this.#call<Stats>(fstat)
  }

  truncate(size: number) {
    return this.#call<void>((fd, done) => ftruncate(fd, size, done))
  }

  utimes(accessed: Date, modified: Date) {
    return this.#call<void>((fd, done) => futimes(fd, accessed, modified, done))
  }

  datasync() {
    return this.#call<void>(fdatasync)
  }

  sync() {
    return this.#call<void>(fsync)
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
    try {
      // In one step with `refill`, so that no connection takes the descriptor.
      if (this.#spare) closeSync(fd)
      else
        await new Promise<void>((resolve, reject) => close(fd, error => (error ? reject(error) : resolve())))
    } finally {
      if (spareDescriptors.short) spareDescriptors.refill()
    }
  }

  #call<T>(start: (fd: number, done: Done<T>) => void): Promise<T> {
    return new Promise((resolve, reject) => {
      if (this.#fd === CLOSED) throw Object.assign(new Error('EBADF: the file is closed'), { code: 'EBADF' })
      start(this.#fd, (error, result) => {
        if (--this.#underWay === 0) this.#idle()
        if (error) reject(error)
        else resolve(result as T)
      })
      this.#underWay++
    })
  }
}
