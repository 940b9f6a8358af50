import type { Digest } from '../../oci/digest.ts'
import { RegistryError } from '../../oci/errors.ts'
import type { Repository } from '../../oci/name.ts'
import { keepingBytes } from '../changes.ts'
import type { Parts } from '../parts.ts'
import type { Caller, LocalReads, ServedBlob } from '../reads.ts'
import { BlobFill, type Hold } from './blob-fill.ts'
import { NoRoom } from './fill.ts'
import { Fills } from './fills.ts'
import type { MirrorSize } from './mirror-size.ts'
import { blobRoutesOf } from './mirrored.ts'
import type { Route } from './mirrors.ts'
import { namedSize } from './named-size.ts'
import { PassThrough } from './pass-through.ts'
import type { Source } from './source.ts'
import { orUnknown } from './upstream-fault.ts'

/** Blobs of mirrored repositories: those that are here, and those that come from an upstream when they are asked for. */
export class PulledBlobs {
  readonly #parts: Parts
  readonly #hold: Hold
  readonly #here: LocalReads
  readonly #size: MirrorSize
  readonly #onFill: (fill: BlobFill) => void
  /** By upstreams and digest: what one sends slowly or wrong is not waited for by who asks another. */
  readonly fills = new Fills<BlobFill>()

  constructor(
    parts: Parts,
    hold: Hold,
    here: LocalReads,
    size: MirrorSize,
    onFill: (fill: BlobFill) => void,
  ) {
    this.#parts = parts
    this.#hold = hold
    this.#here = here
    this.#size = size
    this.#onFill = onFill
  }

  /** Throws `BLOB_UNKNOWN`, `TOOMANYREQUESTS`, `RemoteError`. */
  async get(
    repository: Repository,
    digest: Digest,
    wanted: 'bytes' | 'size',
    caller?: Caller,
  ): Promise<ServedBlob> {
    const here = await orUnknown(this.#here.blob(repository, digest))
    if (!here) return this.#pull(repository, digest, wanted, caller)
    // What is held may have been damaged: then it is fetched again.
    return {
      size: here.size,
      open: async () =>
        (await orUnknown(here.open())) ??
        (await (await this.#pull(repository, digest, 'bytes', caller)).open()),
      check: async () => {
        const sound = await orUnknown(here.check().then(() => true))
        if (!sound) await this.#pull(repository, digest, 'size', caller)
      },
    }
  }

  async #pull(
    repository: Repository,
    digest: Digest,
    wanted: 'bytes' | 'size',
    caller: Caller | undefined,
  ): Promise<ServedBlob> {
    const { index, mirrors, store } = this.#parts
    const routes = await blobRoutesOf(index, mirrors, repository)
    if (routes.length === 0) throw unknown(digest)
    mirrors.admit(caller)
    const again = async () => (await this.#pull(repository, digest, 'bytes', caller)).open()
    const named = await namedSize(this.#parts, repository, digest)
    if (wanted === 'size') {
      const size = (await this.#sizeOf(routes, digest, caller)) ?? named
      if (size !== undefined) return { size, open: again, check }
    }
    const stored = await store.stat(digest)
    const transfer = [digest, ...routes.map(({ rules }) => rules.name)].join(' ')
    let fill = this.fills.get(transfer)
    // Bytes that are here for another repository are nothing of this one's, unless its own upstream has them too.
    if (!fill?.repositories.has(repository) && (fill || stored)) {
      await this.#sizeOf(routes, digest, caller)
      if (await this.#adopt(repository, digest)) return this.#here.blob(repository, digest)
      fill = this.fills.get(transfer)
    }
    const source = this.#source(routes, digest, caller)
    if (!fill && named !== undefined && !this.#size.fits(named)) return passed(digest, named, source)
    const going = fill ?? this.#begin(transfer, repository, digest, source, named)
    going.repositories.add(repository)
    try {
      return { size: await going.size, open: () => (going.isOver ? again() : going.open()), check }
    } catch (error) {
      if (!(error instanceof NoRoom)) throw error
      return passed(digest, error.size, this.#source(routes, digest, caller))
    }
  }

  #begin(
    transfer: string,
    repository: Repository,
    digest: Digest,
    source: Source,
    named: number | undefined,
  ): BlobFill {
    const fill: BlobFill = new BlobFill(this.#parts, this.#hold, digest, repository, {
      source,
      named,
      finish: this.#parts.policy.mirrorFinish,
      reserve: bytes => this.#size.reserve(bytes),
      onPaused: () => this.fills.paused(fill),
    })
    this.fills.add(transfer, fill)
    this.#onFill(fill)
    return fill
  }

  #source(routes: readonly Route[], digest: Digest, caller: Caller | undefined): Source {
    const { mirrors } = this.#parts
    let chosen: Route | undefined
    return {
      get name() {
        return chosen?.rules.name ?? ''
      },
      open: async start => {
        // What one upstream has begun, no other one goes on with.
        const from = chosen ? [chosen] : routes
        const asked = await mirrors.ask(
          from,
          `blob ${digest}`,
          ({ upstream, repository }) => upstream.blob(repository, digest, start),
          caller,
        )
        if (!asked) throw unknown(digest)
        chosen = asked.route
        return asked.answer
      },
      stat: () => this.#sizeOf(chosen ? [chosen] : routes, digest, caller),
    }
  }

  /** What the upstreams say by HEAD. Throws `BLOB_UNKNOWN` where none has it. */
  async #sizeOf(
    routes: readonly Route[],
    digest: Digest,
    caller: Caller | undefined,
  ): Promise<number | undefined> {
    const asked = await this.#parts.mirrors.ask(
      routes,
      `blob ${digest}`,
      ({ upstream, repository }) => upstream.stat(repository, digest),
      caller,
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

/** A blob that is not kept, because the cache has no room for it. */
function passed(digest: Digest, size: number, source: Source): ServedBlob {
  return { size, open: () => PassThrough.open(digest, size, source), check }
}

/** It was looked at a moment ago. */
async function check(): Promise<void> {}

function unknown(digest: Digest): RegistryError {
  return new RegistryError('BLOB_UNKNOWN', { detail: { digest } })
}
