import type { Stats, StatsFs } from 'node:fs'
import { access, mkdir, readdir, readFile, rename, stat, statfs, unlink } from 'node:fs/promises'
import { type OpenFile, openFile } from './open-file.ts'

/** What is done with a file system here; specs pass one that fails. */
export interface Fs {
  access(path: string, mode: number): Promise<void>
  mkdir(path: string, options: { recursive: boolean; mode: number }): Promise<string | undefined>
  open(path: string, flags: string | number, mode?: number): Promise<OpenFile>
  readdir(path: string): Promise<string[]>
  readFile(path: string, encoding: 'utf8'): Promise<string>
  rename(from: string, to: string): Promise<void>
  stat(path: string): Promise<Stats>
  statfs(path: string): Promise<Pick<StatsFs, 'bavail' | 'bsize'>>
  unlink(path: string): Promise<void>
}

/** That of the system. */
export const fileSystem: Fs = {
  access,
  mkdir,
  open: openFile,
  readdir,
  readFile,
  rename,
  stat,
  statfs,
  unlink,
}
