import { readdir } from 'node:fs/promises'

/** How many files this process has open. */
export async function openFiles(): Promise<number> {
  return (await readdir('/proc/self/fd')).length
}
