import {
  access,
  mkdir,
  readdir,
  readFile,
  rename,
  type Stats,
  type StatsFs,
  stat,
  statfs,
  unlink,
} from 'node:fs'
import { promisify } from 'node:util'
import { type OpenFile, openFile } from './open-file.ts'

/** What is done with a file system here; specs pass one that fails. */
export interface Fs {
  access(path: string, mode: number): Promise<void>
  mkdir(path: string, options: { recursive: true; mode: number }): Promise<string | undefined>
  open(path: string, flags: string | number, mode?: number): Promise<OpenFile>
  readdir(path: string): Promise<string[]>
  readFile(path: string, encoding: 'utf8'): Promise<string>
  rename(from: string, to: string): Promise<void>
  stat(path: string): Promise<Stats>
  statfs(path: string): Promise<Pick<StatsFs, 'bavail' | 'bsize'>>
  unlink(path: string): Promise<void>
}

/**
 * That of the system, by callbacks: a push makes a dozen of these calls, and one by node:fs/promises takes about twice
 * the processor time.
 */
export const fileSystem: Fs = {
  access: promisify(access),
  mkdir: promisify(mkdir),
  open: openFile,
  readdir: promisify(readdir),
  readFile: promisify(readFile),
  rename: promisify(rename),
  stat: promisify(stat),
  statfs: promisify(statfs),
  unlink: promisify(unlink),
}
