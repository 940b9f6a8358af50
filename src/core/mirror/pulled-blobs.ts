import type { Digest } from '../../oci/digest.ts'
import { RegistryError } from '../../oci/errors.ts'
import type { Repository } from '../../oci/name.ts'
import { keepingBytes } from '../changes.ts'
import type { Parts } from '../parts.ts'
import type { LocalReads, ServedBlob } from '../reads.ts'
import { BlobFill, type Hold } from './blob-fill.ts'
import type { Source } from './fill.ts'
import { blobRoutesOf } from './mirrored.ts'
import type { Route } from './mirrors.ts'
import { orUnknown } from './upstream-fault.ts'

/** Blobs of mirrored repositories: those that are here, and those that come from an upstream when they are asked for. */
export class PulledBlobs {
  readonly #parts: Parts
  readonly #hold: Hold
  readonly #here: LocalReads
  readonly #onFill: (fill: BlobFill) => void
  /** By upstreams and digest: what one sends slowly or wrong is not waited for by who asks another. */
  readonly #fills = new Map<string, BlobFill>()

  constructor(parts: Parts, hold: Hold, here: LocalReads, onFill: (fill: BlobFill) => void) {
    this.#parts = parts
    this.#hold = hold
    this.#here = here
    this.#onFill = onFill
  }

  /** Throws `BLOB_UNKNOWN`, `RemoteError`. */
  async get(repository: Repository, digest: Digest, wanted: 'bytes' | 'size'): Promise<ServedBlob> {
    const here = await orUnknown(this.#here.blob(repository, digest))
    if (!here) return this.#pull(repository, digest, wanted)
    // What is held may have been damaged: then it is fetched again.
    return {
      size: here.size,
      open: async () =>
        (await orUnknown(here.open())) ?? (await (await this.#pull(repository, digest, 'bytes')).open()),
      check: async () => {
        const sound = await orUnknown(here.check().then(() => true))
        if (!sound) await this.#pull(repository, digest, 'size')
      },
    }
  }

  /** Transfers under way. */
  get fills(): readonly BlobFill[] {
    return [...this.#fills.values()]
  }

  async #pull(repository: Repository, digest: Digest, wanted: 'bytes' | 'size'): Promise<ServedBlob> {
    const { index, mirrors, store } = this.#parts
    const routes = await blobRoutesOf(index, mirrors, repository)
    if (routes.length === 0) throw unknown(digest)
    const size = wanted === 'size' ? await this.#sizeOf(routes, digest) : undefined
    if (size !== undefined)
      return { size, open: async () => (await this.#pull(repository, digest, 'bytes')).open(), check }
    const stored = await store.stat(digest)
    const transfer = [digest, ...routes.map(({ rules }) => rules.name)].join(' ')
    let fill = this.#fills.get(transfer)
    // Bytes that are here for another repository are nothing of this one's, unless its own upstream has them too.
    if (!fill?.repositories.has(repository) && (fill || stored)) {
      await this.#sizeOf(routes, digest)
      if (await this.#adopt(repository, digest)) return this.#here.blob(repository, digest)
      fill = this.#fills.get(transfer)
    }
    fill ??= this.#begin(transfer, repository, digest, routes)
    fill.repositories.add(repository)
    const going = fill
    return { size: await going.size, open: () => going.open(), check }
  }

  #begin(transfer: string, repository: Repository, digest: Digest, routes: readonly Route[]): BlobFill {
    const fill = new BlobFill(this.#parts, this.#hold, digest, repository, this.#source(routes, digest))
    this.#fills.set(transfer, fill)
    fill.done
      .catch(() => {})
      .finally(() => {
        this.#fills.delete(transfer)
      })
    this.#onFill(fill)
    return fill
  }

  #source(routes: readonly Route[], digest: Digest): Source {
    const { mirrors } = this.#parts
    let chosen: Route | undefined
    return {
      get name() {
        return chosen?.rules.name ?? ''
      },
      open: async start => {
        // What one upstream has begun, no other one goes on with.
        const from = chosen ? [chosen] : routes
        const asked = await mirrors.ask(from, `blob ${digest}`, ({ upstream, repository }) =>
          upstream.blob(repository, digest, start),
        )
        if (!asked) throw unknown(digest)
        chosen = asked.route
        return asked.answer
      },
    }
  }

  /** What the upstreams say by HEAD. Throws `BLOB_UNKNOWN` where none has it. */
  async #sizeOf(routes: readonly Route[], digest: Digest): Promise<number | undefined> {
    const asked = await this.#parts.mirrors.ask(routes, `blob ${digest}`, ({ upstream, repository }) =>
      upstream.stat(repository, digest),
    )
    if (asked) return asked.answer
    throw unknown(digest)
  }

  /** Lets the repository hold bytes that are here already; false where they are not, or not any more. */
  #adopt(repository: Repository, digest: Digest): Promise<boolean> {
    const { index, store } = this.#parts
    return keepingBytes(index, [digest], async () => {
      const stored = await store.stat(digest)
      if (stored) await this.#hold(repository, digest, stored.size)
      return stored !== undefined
    })
  }
}

/** It was looked at a moment ago. */
async function check(): Promise<void> {}

function unknown(digest: Digest): RegistryError {
  return new RegistryError('BLOB_UNKNOWN', { detail: { digest } })
}
