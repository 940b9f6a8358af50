import type { Answer } from './answer.ts'
import type { Client } from './client.ts'
import { Repository } from './repository.ts'

/** How many repositories are emptied at the same time. */
const CONCURRENCY = 8

/** The manifests that a run has pushed, by repository, so that it can delete them at its end. */
export class Pushed {
  readonly #digests = new Map<string, Set<string>>()

  /** Remembers what the answer says was pushed; distribution-spec "Pushing Manifests": 201 with a `Location`. */
  note(answer: Answer): void {
    if (answer.status !== 201) return
    const [, name, digest] = /\/v2\/(.+)\/manifests\/([^/?#]+)/.exec(answer.header('location') ?? '') ?? []
    if (name === undefined || digest === undefined) return
    const digests = this.#digests.get(name) ?? new Set()
    this.#digests.set(name, digests.add(answer.header('docker-content-digest') ?? decodeURIComponent(digest)))
  }

  /** Deletes every manifest and tag, and returns the repositories that still have one. Blobs go by garbage collection. */
  async deleteAll(client: Client): Promise<string[]> {
    const waiting = [...this.#digests]
    const left: string[] = []
    const work = async () => {
      for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
        const [name, digests] = next
        const isEmpty = await empty(new Repository(client, name), digests).catch(() => false)
        if (!isEmpty) left.push(name)
      }
    }
    await Promise.all(Array.from({ length: CONCURRENCY }, work))
    return left.sort()
  }
}

/** Whether the repository has none of these manifests, and no tag, after they were deleted. */
async function empty(repository: Repository, digests: ReadonlySet<string>): Promise<boolean> {
  const gone: boolean[] = []
  // The newest first: an index before what it references.
  for (const digest of [...digests].reverse()) gone.push(await isDeleted(repository, digest))
  // Most registries delete the tags of a manifest with it.
  for (const tag of await repository.tags()) {
    const digest = (await repository.head(`manifests/${tag}`)).header('docker-content-digest')
    if (digest !== undefined) await isDeleted(repository, digest)
    gone.push(await isDeleted(repository, tag))
  }
  return gone.every(Boolean)
}

async function isDeleted(repository: Repository, reference: string): Promise<boolean> {
  return [202, 204, 404].includes((await repository.delete(`manifests/${reference}`)).status)
}
