import { dirname } from 'node:path'
import { orAbsent } from '../lib/errno.ts'
import { writeAll } from '../lib/write-all.ts'
import { type DurableDisk, FILE_MODE } from './durable.ts'

/** How things lie in the storage folder, see Layout. Raised with every change that an older program would get wrong. */
const VERSION = 1

/** What a new storage may have in it: ext4's own folder, and a token that an operator has put there before the start. */
const EMPTY_FOLDER = new Set(['lost+found', 'bearer-token'])

/** A start that was cut off may leave only this. */
const UNFINISHED = 'layout.new'

/**
 * Reads which version of the layout the storage folder has. An empty folder is a new storage and gets this version.
 * Throws if a newer program wrote it, and if the folder is not empty and not a storage of this registry; then nothing
 * was touched.
 */
export async function checkLayout(disk: DurableDisk, path: string): Promise<void> {
  const text = await orAbsent(disk.fs.readFile(path, 'utf8'))
  if (text === undefined) {
    await assertEmpty(disk, dirname(path))
    return writeVersion(disk, path)
  }
  const version = versionIn(text)
  if (version === undefined) throw new Error(`${path} is damaged: write {"version":${VERSION}} into it`)
  if (version > VERSION) {
    throw new Error(
      `its layout is version ${version} and this program knows ${VERSION}: start a newer memflow-registry, or restore a backup`,
    )
  }
}

async function assertEmpty(disk: DurableDisk, folder: string): Promise<void> {
  const names = (await disk.fs.readdir(folder)).filter(name => !EMPTY_FOLDER.has(name) && name !== UNFINISHED)
  const [first] = names.sort()
  if (first === undefined) return
  if (names.some(name => /^[0-9a-f]{64}\.(?:plugin|meta)$/.test(name))) {
    throw new Error(
      `it is the storage of the original memflow-registry: set MEMFLOW_STORAGE_ROOT to a new folder, and take its plugins over with: memflow-registry import ${folder}`,
    )
  }
  if (names.includes('blobs') && names.includes('journal'))
    throw new Error(`its file layout is missing: write {"version":${VERSION}} into it`)
  throw new Error(
    `it is not empty and not a storage of this registry (it has ${first.slice(0, 100)}): name an empty or new folder`,
  )
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
