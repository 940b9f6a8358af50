import { stat } from 'node:fs/promises'
import { orAbsent } from '../lib/errno.ts'
import { userName } from '../lib/system-error.ts'
import { Layout } from './layout.ts'

/**
 * Throws if the storage is another user's: files that this user would make there could not be read by that one. A folder
 * without a storage has no owner yet, except for root, who may write everywhere. `uid` is the user of this process.
 */
export async function assertOwner(
  root: string,
  uid: number | undefined = process.geteuid?.(),
): Promise<void> {
  if (uid === undefined) return
  const layout = new Layout(root)
  const stats = await orAbsent(stat(layout.version))
  const owner = (stats ?? (uid === 0 ? await orAbsent(stat(layout.root)) : undefined))?.uid
  if (owner === undefined || owner === uid) return
  const name = userName(owner)
  throw new Error(
    `it belongs to ${name} and this is ${userName(uid)}, whose files ${name} could not use; nothing was touched. ` +
      `Run it as that user: sudo -u '${name}' memflow-registry …`,
  )
}
