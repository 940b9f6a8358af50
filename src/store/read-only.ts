import { constants } from 'node:fs'
import { access, stat } from 'node:fs/promises'
import { errno, orAbsent } from '../lib/errno.ts'
import { RegistryError } from '../oci/errors.ts'
import { Layout } from './layout.ts'

/** Why this process cannot write to the storage in that folder. Undefined if it can, and if there is no storage. */
export async function readOnlyReason(folder: string): Promise<string | undefined> {
  const { root, version } = new Layout(folder)
  try {
    if (!(await orAbsent(stat(version)))) return undefined
    await access(root, constants.W_OK | constants.X_OK)
    return undefined
  } catch (error) {
    return REASONS[errno(error) ?? '']
  }
}

const REASONS: Record<string, string> = {
  EROFS: 'its file system is read-only',
  EACCES: 'this user may not write to it',
  EPERM: 'this user may not write to it',
}

/** What clients are told that want to change something. */
export function readOnlyError(reason: string): RegistryError {
  return new RegistryError('READ_ONLY', {
    message: `the storage is read-only (${reason}); this registry serves reads alone until it is started with one that it can write`,
  })
}
