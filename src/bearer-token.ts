import { randomBytes } from 'node:crypto'
import { chmod, mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'

/** The token that was made for a registry without one in its settings. */
export interface KeptToken {
  readonly token: string
  readonly file: string
  /** Whether this call made it. */
  readonly fresh: boolean
}

/** The token in a storage that cannot be written. Undefined if there is none, or this user may not read it. */
export async function tokenThere(storageRoot: string): Promise<KeptToken | undefined> {
  const file = join(storageRoot, 'bearer-token')
  const token = (await readFile(file, 'utf8').catch(() => '')).trim()
  return token === '' ? undefined : { token, file, fresh: false }
}

/** The token in the storage folder, made at the first start and readable for its owner only. */
export async function keptToken(storageRoot: string): Promise<KeptToken> {
  const file = join(storageRoot, 'bearer-token')
  await mkdir(storageRoot, { recursive: true })
  const token = randomBytes(32).toString('hex')
  try {
    await writeFile(file, `${token}\n`, { mode: 0o600, flag: 'wx' })
    return { token, file, fresh: true }
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
  }
  await chmod(file, 0o600)
  const kept = (await readFile(file, 'utf8')).trim()
  if (kept === '') throw new Error(`${file} is empty: remove it, and a new token is made`)
  return { token: kept, file, fresh: false }
}
