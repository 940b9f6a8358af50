import type { Index, Rows, Unchanged } from '../index/contract.ts'
import {
  BINARIES,
  FILES,
  LINKS,
  MANIFESTS,
  NAMES,
  REFERRERS,
  REFERRERS_BY_TYPE,
  REPOSITORIES,
  TAGS,
  VARIANTS,
} from '../index/tables.ts'
import { type Digest, hexOf } from '../oci/digest.ts'
import type { Repository } from '../oci/name.ts'
import type { Mirrors } from './mirror/mirrors.ts'
import type { Usage } from './mirror/usage.ts'
import type { Parts } from './parts.ts'

/** Which rows an answer stands on: while they are as they were, it would be the same again. */
export class Freshness {
  readonly #index: Index
  readonly #mirrors: Mirrors
  readonly #usage: Usage

  constructor({ index, mirrors }: Parts, usage: Usage) {
    this.#index = index
    this.#mirrors = mirrors
    this.#usage = usage
  }

  manifests(repository: Repository): Unchanged {
    return this.#of(repository, [TAGS, repository], [MANIFESTS, repository], [BINARIES, repository])
  }

  blobs(repository: Repository): Unchanged {
    return this.#of(repository, [LINKS, repository])
  }

  repositories(): Unchanged {
    return this.#index.watch([REPOSITORIES])
  }

  tags(repository: Repository): Unchanged {
    return this.#of(repository, [TAGS, repository], [REPOSITORIES, repository])
  }

  referrers(repository: Repository): Unchanged {
    return this.#of(repository, [REFERRERS, repository], [REFERRERS_BY_TYPE, repository])
  }

  /** To be asked each time that a plugin is served: an answer that is ready comes past all that would note its use. */
  file(binary: Digest): Unchanged {
    const unchanged = this.#index.watch([FILES, hexOf(binary)])
    this.#usage.note(binary)
    return () => {
      this.#usage.note(binary)
      return unchanged()
    }
  }

  /** Of `GET /plugins`. */
  names(): Unchanged {
    return this.#index.watch([NAMES])
  }

  /** Of one plugin. */
  variants(name: string): Unchanged {
    return this.#index.watch([VARIANTS, name])
  }

  /** What an upstream has changes without a change here. */
  #of(repository: Repository, ...rows: readonly Rows[]): Unchanged {
    return this.#mirrors.routes(repository).length > 0 ? () => false : this.#index.watch(...rows)
  }
}
