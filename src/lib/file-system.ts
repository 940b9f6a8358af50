import { rename, type Stats, type StatsFs, stat, unlink } from 'node:fs'
import { access, mkdir, readdir, readFile, statfs } from 'node:fs/promises'
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

/** That of the system. What every push or pull calls goes by callbacks, which take less processor time, see `openFile`. */
export const fileSystem: Fs = {
  access,
  mkdir,
  open: openFile,
  readdir,
  readFile,
  rename: (from, to) =>
    new Promise((resolve, reject) => rename(from, to, error => (error ? reject(error) : resolve()))),
  stat: path =>
    new Promise((resolve, reject) => stat(path, (error, stats) => (error ? reject(error) : resolve(stats)))),
  statfs,
  unlink: path =>
    new Promise((resolve, reject) => unlink(path, error => (error ? reject(error) : resolve()))),
}
