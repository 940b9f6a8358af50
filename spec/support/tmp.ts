import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/**
 * Inside a describe block: `const fresh = tmpDir()`; then `await fresh()` is a new empty folder each time.
 * All of them go when the block ends.
 */
export function tmpDir(): () => Promise<string> {
  const made: string[] = []

  after(async () => {
    await Promise.all(made.map(folder => rm(folder, { recursive: true, force: true })))
  })

  return async () => {
    const folder = await mkdtemp(join(tmpdir(), 'memflow-registry-'))
    made.push(folder)
    return folder
  }
}
