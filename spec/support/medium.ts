import { basename, dirname } from 'node:path'
import { digestOf } from '../../src/oci/digest.ts'
import { type Edit, FATES, type Fate, KEPT, MAIN_FATES } from './fates.ts'

/** A file: what a sync has brought to the medium, and what came since. */
export class File {
  synced: Buffer
  readonly edits: Edit[] = []

  constructor(synced: Buffer = Buffer.alloc(0)) {
    this.synced = synced
  }

  /** Its bytes where that is what becomes of the edits. */
  after(fate: Fate): Buffer {
    return this.edits
      .flatMap((edit, i) => fate(edit, i, this.edits.length) ?? [])
      .reduce(applied, this.synced)
  }
}

/** A folder as the medium has it for sure. */
export class Folder {
  readonly synced = new Map<string, Node>()
}

export type Node = File | Folder

/** A change of a folder that was not synced yet: names, with what has them from then on. */
interface Change {
  readonly folder: Folder
  readonly entries: readonly (readonly [name: string, node: Node | undefined])[]
}

/** What is left of the disk, by paths below the root. Two paths may have one file. */
export interface Image {
  /** Each behind the one that it is in. */
  readonly folders: readonly string[]
  readonly files: ReadonlyMap<string, { readonly file: File; readonly bytes: Buffer }>
}

/** Of so many changes of names since the last sync of anything every subset is tried, of those before them all and none. */
const NEWEST = 4

/** A disk that keeps apart what was synced: bytes by a sync of their file, names by a sync of their folder. */
export class Medium {
  readonly #root = new Folder()
  #changes: Change[] = []
  /** How many of them were there at the last sync. */
  #old = 0

  /** With what the image has, synced. */
  constructor(image?: Image) {
    const entries = [
      ...(image?.folders ?? []).map(path => [path, new Folder()] as const),
      ...[...(image?.files ?? [])].map(([path, { bytes }]) => [path, new File(bytes)] as const),
    ]
    for (const [path, node] of entries) this.#folder(dirname(path)).synced.set(basename(path), node)
  }

  /** What has the path now, synced or not. */
  at(path: string): Node | undefined {
    return path === '.' ? this.#root : this.#entry(this.#folder(dirname(path)), basename(path))
  }

  /** Gives names to nodes, or takes them; those in one folder together. */
  change(...entries: readonly (readonly [path: string, node: Node | undefined])[]): void {
    const byFolder = new Map<Folder, (readonly [string, Node | undefined])[]>()
    for (const [path, node] of entries) {
      const folder = this.#folder(dirname(path))
      byFolder.set(folder, [...(byFolder.get(folder) ?? []), [basename(path), node]])
    }
    for (const [folder, some] of byFolder) this.#changes.push({ folder, entries: some })
  }

  /** Begins a sync of the folder; at its end the names that it had at its beginning are there for good. */
  sync(path: string): () => void {
    const folder = this.#folder(path)
    const changes = this.#changes.filter(change => change.folder === folder)
    return () => {
      for (const change of changes) keep(folder.synced, change)
      this.#changes = this.#changes.filter(change => !changes.includes(change))
      this.#old = this.#changes.length
    }
  }

  /** The same for the bytes of a file. */
  datasync(file: File): () => void {
    const [bytes, count] = [file.after(KEPT), file.edits.length]
    return () => {
      file.synced = bytes
      file.edits.splice(0, count)
      this.#old = this.#changes.length
    }
  }

  /** All that a power loss may leave: of the names, and of the bytes behind each. */
  *survivors(): Iterable<{ readonly model: string; readonly image: Image }> {
    const count = this.#changes.length
    const old = Math.max(this.#old, count - NEWEST)
    for (let subset = 2 ** (count - old) - 1; subset >= 0; subset--) {
      for (const oldKept of old > 0 ? [true, false] : [true]) {
        const kept = this.#changes.filter((_, i) => (i < old ? oldKept : subset & (1 << (i - old))))
        const { folders, files } = this.#tree(kept)
        const unsynced = files.some(([, file]) => file.edits.length > 0)
        for (const [name, fate] of Object.entries(FATES)) {
          if (name !== 'kept' && (!unsynced || (kept.length < count && !MAIN_FATES.includes(name)))) continue
          const names = `${kept.length} of ${count} changes of names (${oldKept}, ${subset.toString(2)})`
          yield { model: `${names}, bytes ${name}`, image: imageOf(folders, files, fate) }
        }
      }
    }
  }

  /** What is there while the power is on. */
  now(): Image {
    const { folders, files } = this.#tree(this.#changes)
    return imageOf(folders, files, KEPT)
  }

  /** All names where those changes have come through. */
  #tree(changes: readonly Change[]): { folders: string[]; files: [string, File][] } {
    const names = new Map<Folder, Map<string, Node>>()
    for (const change of changes)
      names.set(change.folder, keep(names.get(change.folder) ?? new Map(change.folder.synced), change))
    const folders: string[] = []
    const files: [string, File][] = []
    const walk = (folder: Folder, path: string): void => {
      for (const [name, node] of names.get(folder) ?? folder.synced) {
        if (node instanceof File) files.push([path + name, node])
        else {
          folders.push(path + name)
          walk(node, `${path}${name}/`)
        }
      }
    }
    walk(this.#root, '')
    return { folders, files }
  }

  #folder(path: string): Folder {
    const node = this.at(path)
    if (node instanceof Folder) return node
    throw new Error(`no folder: ${path}`)
  }

  #entry(folder: Folder, name: string): Node | undefined {
    const last = this.#changes
      .filter(change => change.folder === folder)
      .flatMap(({ entries }) => entries)
      .findLast(([changed]) => changed === name)
    return last ? last[1] : folder.synced.get(name)
  }
}

/** The same for two images that are the same. */
export function keyOf({ folders, files }: Image): string {
  const first = new Map<File, string>()
  const parts = [known(folders, () => folders.join())]
  for (const [path, { file, bytes }] of files) {
    const other = first.get(file)
    if (!other) first.set(file, path)
    parts.push(path, other ?? known(bytes, () => digestOf(bytes)))
  }
  return parts.join()
}

const KEYS = new WeakMap<object, string>()

/** Most parts of an image are those of many others. */
function known(part: object, make: () => string): string {
  const key = KEYS.get(part) ?? make()
  KEYS.set(part, key)
  return key
}

function keep(entries: Map<string, Node>, change: Change): Map<string, Node> {
  for (const [name, node] of change.entries) {
    if (node) entries.set(name, node)
    else entries.delete(name)
  }
  return entries
}

function imageOf(folders: readonly string[], files: readonly [string, File][], fate: Fate): Image {
  return { folders, files: new Map(files.map(([path, file]) => [path, { file, bytes: file.after(fate) }])) }
}

function applied(before: Buffer, edit: Edit): Buffer {
  const size = 'size' in edit ? edit.size : Math.max(before.length, edit.at + edit.bytes.length)
  const after = Buffer.alloc(size)
  before.copy(after)
  if ('at' in edit) edit.bytes.copy(after, edit.at)
  return after
}
