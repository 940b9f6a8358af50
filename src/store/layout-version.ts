import { orAbsent } from '../lib/errno.ts'
import { writeAll } from '../lib/write-all.ts'
import { type DurableDisk, FILE_MODE } from './durable.ts'

/** How things lie in the storage folder, see Layout. Raised with every change that an older program would get wrong. */
const VERSION = 1

/**
 * Reads which version of the layout the storage has; a storage without one is new, or from before there were versions,
 * and gets this one. Throws where a newer program has written it, before anything is touched.
 */
export async function checkLayout(disk: DurableDisk, path: string): Promise<void> {
  const text = await orAbsent(disk.fs.readFile(path, 'utf8'))
  if (text === undefined) return writeVersion(disk, path)
  const version = versionIn(text)
  if (version === undefined) throw new Error(`${path} is damaged: write {"version":${VERSION}} into it`)
  if (version > VERSION) {
    throw new Error(
      `its layout is version ${version} and this program knows ${VERSION}: start a newer memflow-registry, or restore a backup`,
    )
  }
}

async function writeVersion(disk: DurableDisk, path: string): Promise<void> {
  const staged = `${path}.new`
  const file = await disk.fs.open(staged, 'w', FILE_MODE)
  try {
    await writeAll(file, [Buffer.from(`${JSON.stringify({ version: VERSION })}\n`)], 0)
    await disk.publish(file, staged, path)
  } finally {
    await file.close()
  }
}

function versionIn(text: string): number | undefined {
  try {
    const { version } = JSON.parse(text) as { version?: unknown }
    return Number.isSafeInteger(version) && Number(version) > 0 ? Number(version) : undefined
  } catch {
    return undefined
  }
}
