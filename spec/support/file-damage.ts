import { readFile, rm, truncate, writeFile } from 'node:fs/promises'

/** What can happen to a file, by name; where it holds nothing, some of it changes nothing. */
export const FILE_DAMAGE: Readonly<Record<string, (path: string) => Promise<void>>> = {
  gone: path => rm(path),
  empty: path => truncate(path),
  'half of it': async path => truncate(path, (await readFile(path)).length >> 1),
  'without its end': async path => truncate(path, Math.max(0, (await readFile(path)).length - 20)),
  'with zeros in its middle': path =>
    change(path, bytes => bytes.subarray(bytes.length >> 1, (bytes.length >> 1) + 512).fill(0)),
  ...Object.fromEntries(
    Array.from({ length: 4 }, (_, nth) => [`changed at place ${nth + 1} of 4`, flipAt(nth / 4)]),
  ),
}

/** Changes a byte at about that part of the file. */
function flipAt(part: number): (path: string) => Promise<void> {
  return path =>
    change(path, bytes => {
      const at = Math.floor((part + 0.1) * bytes.length)
      if (bytes.length > 0) bytes[at] = (bytes[at] ?? 0) ^ 0x41
    })
}

async function change(path: string, work: (bytes: Buffer) => void): Promise<void> {
  const bytes = await readFile(path)
  work(bytes)
  await writeFile(path, bytes)
}
