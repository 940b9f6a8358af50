import type { Digest } from '../../oci/digest.ts'
import type { Repository } from '../../oci/name.ts'
import { keepingBytes } from '../changes.ts'
import type { Parts } from '../parts.ts'
import { Fill, type FillOptions } from './fill.ts'

/** Lets the repository hold a blob of that size, which is durable. Inside of `keepingBytes`. */
export type Hold = (repository: Repository, digest: Digest, size: number) => Promise<void>

/** A transfer that ends as a blob of repositories. */
export class BlobFill extends Fill {
  /** Those that hold the blob once it is here; each one's upstream has said that it has it. */
  readonly repositories: Set<Repository>

  constructor(
    { index, store }: Parts,
    hold: Hold,
    digest: Digest,
    first: Repository,
    options: Omit<FillOptions, 'keep'>,
  ) {
    const repositories = new Set([first])
    super(store, digest, {
      ...options,
      keep: async (upload, release) => {
        // Readers need not wait for the disk.
        release()
        await keepingBytes(index, [digest], async () => {
          const { size } = await upload.commit(digest)
          for (const repository of repositories) await hold(repository, digest, size)
        })
      },
    })
    this.repositories = repositories
  }
}
