import { closeSync, lstatSync, openSync, readdirSync, readSync } from 'node:fs'
import { join } from 'node:path'
import { isBinary } from '../../src/plugin/analyze.ts'

/** Every binary at or below a path; links are not followed, so that each is met once. */
export function binaries(path: string): string[] {
  const info = lstatSync(path)
  if (info.isDirectory()) return readdirSync(path).flatMap(name => binaries(join(path, name)))
  if (!info.isFile() || !/\.(so|dylib|dll|pyd)(\.[\d.]+)?$/.test(path)) return []
  const head = Buffer.alloc(8)
  const file = openSync(path, 'r')
  readSync(file, head, 0, 8, 0)
  closeSync(file)
  return isBinary(head) ? [path] : []
}
