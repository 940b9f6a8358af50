import { readdir, readlink } from 'node:fs/promises'

/** How many files this process has open. */
export async function openFiles(): Promise<number> {
  return (await readdir('/proc/self/fd')).length
}

/** Whether this process has a file open whose path contains the text. */
export async function isOpen(text: string): Promise<boolean> {
  const descriptors = await readdir('/proc/self/fd')
  // One that was closed meanwhile has no path.
  const paths = await Promise.all(descriptors.map(name => readlink(`/proc/self/fd/${name}`).catch(() => '')))
  return paths.some(path => path.includes(text))
}
