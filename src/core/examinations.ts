import type { Batch } from '../index/batch.ts'
import { MANIFESTS } from '../index/tables.ts'
import type { Digest } from '../oci/digest.ts'
import type { Manifest } from '../oci/manifest.ts'
import type { Repository } from '../oci/name.ts'
import { signatureForSubject } from '../oci/plugin-artifact.ts'
import { keepingBytes } from './changes.ts'
import { loadManifest, type Pushed } from './manifest-rows.ts'
import type { ManifestSearch, SearchTime } from './manifest-search.ts'
import type { Parts } from './parts.ts'
import type { Recognized } from './recognition.ts'

/** A manifest with the plugins in it. */
export interface Examined extends Recognized {
  readonly pushed: Pushed
}

/**
 * The manifests whose plugins a change is about: one that is pushed, and the subjects of signatures that come or go.
 * Examining them reads files and takes the time of an analyzer, and plugins out of archives are written to the disk. So
 * all of that happens before the change takes its locks. A change that finds under its locks that another subject is
 * there is given up, and made again when that one was examined.
 */
export class Examinations {
  readonly #parts: Parts
  readonly #search: ManifestSearch
  readonly #examined = new Map<string, Examined>()

  constructor(parts: Parts, search: ManifestSearch) {
    this.#parts = parts
    this.#search = search
  }

  add(repository: Repository, examined: Examined): void {
    this.#examined.set(keyOf(repository, examined.pushed.digest), examined)
  }

  /** Examines the subject whose plugins this manifest brings the signature of, if there is one. Not under a lock. */
  async subject(
    repository: Repository,
    manifest: Manifest,
    when: SearchTime = 'now',
  ): Promise<Examined | undefined> {
    const digest = signedBy(manifest)
    const subject =
      digest && (await loadManifest(this.#parts.index.latest, this.#parts.documents, repository, digest))
    if (!subject) return undefined
    const known = this.#examined.get(keyOf(repository, digest))
    if (known) return known
    const examined = { pushed: subject, ...(await this.#search.find(repository, subject.manifest, when)) }
    await this.#search.layers.remember(examined.searched)
    this.add(repository, examined)
    return examined
  }

  /** The same under a lock, of what was examined before. */
  async examinedSubject(
    batch: Batch,
    repository: Repository,
    manifest: Manifest,
  ): Promise<Examined | undefined> {
    const digest = signedBy(manifest)
    if (!digest || !(await batch.get(MANIFESTS, repository, digest))) return undefined
    const examined = this.#examined.get(keyOf(repository, digest))
    if (examined) return examined
    throw new NotExamined(repository, manifest)
  }

  /**
   * Makes a change, in which the bytes of all plugins are there. `change` may be called more than once, and nothing of
   * a call that failed may stay.
   */
  async run(change: () => Promise<void>): Promise<void> {
    while (true) {
      try {
        return await this.#keepingBytes(change)
      } catch (error) {
        if (!(error instanceof NotExamined)) throw error
        await this.subject(error.repository, error.manifest)
      }
    }
  }

  #keepingBytes(change: () => Promise<void>): Promise<void> {
    const archived = [...this.#examined.values()].flatMap(({ found }) =>
      found.flatMap(({ archive, binary }) => (archive === undefined ? [] : [{ archive, binary }])),
    )
    const binaries = archived.map(({ binary }) => binary)
    return keepingBytes(this.#parts.index, binaries, async () => {
      for (const { archive, binary } of archived) await this.#search.layers.ensureStored(archive, binary)
      await change()
    })
  }
}

/** A change came upon a subject that was not examined before it. */
class NotExamined extends Error {
  readonly repository: Repository
  readonly manifest: Manifest

  constructor(repository: Repository, manifest: Manifest) {
    super(`${repository}: the subject ${manifest.subject?.digest} was not examined`)
    this.repository = repository
    this.manifest = manifest
  }
}

function signedBy(manifest: Manifest): Digest | undefined {
  return signatureForSubject(manifest) === undefined ? undefined : (manifest.subject?.digest as Digest)
}

function keyOf(repository: Repository, digest: Digest): string {
  return `${repository}@${digest}`
}
