import type { Context } from 'koa'
import type { Registry } from '../../core/registry.ts'
import type { Chunk } from '../../core/uploads.ts'
import { type Digest, isDigest, parseAlgorithm, parseDigest } from '../../oci/digest.ts'
import { RegistryError } from '../../oci/errors.ts'
import { isRepository, type Repository } from '../../oci/name.ts'
import { parseChunkRange } from '../../oci/range.ts'
import { bodyOf, declaredLength } from '../body.ts'
import { parametersOf } from '../parameters.ts'
import { sendEmpty } from '../send-empty.ts'
import type { Handlers } from './dispatch.ts'

/** distribution-spec end-4 to end-6, end-11, end-13, end-14. */
export function uploadHandlers({ blobs, uploads }: Registry): Handlers {
  return {
    uploads: {
      POST: async (ctx, repository) => {
        const mount = query(ctx, 'mount')
        const digest = query(ctx, 'digest')
        const from = query(ctx, 'from')
        if (mount !== undefined) {
          // distribution-spec, Mounting a blob: a mount that is not possible becomes an upload.
          if (isDigest(mount) && (from === undefined || isRepository(from))) {
            if (await blobs.mount(repository, mount, from)) return created(ctx, repository, mount)
          }
        } else if (digest !== undefined) {
          const whole = parseDigest(digest)
          await uploads.whole(repository, bodyOf(ctx), whole)
          return created(ctx, repository, whole)
        }
        const session = await uploads.begin(repository, algorithmIn(ctx))
        accepted(ctx, repository, session, 0)
      },
    },
    upload: {
      GET: async (ctx, repository, session) => {
        accepted(ctx, repository, session, await uploads.size(repository, session), 204)
      },
      PATCH: async (ctx, repository, session) => {
        const size = await inOrder(ctx, repository, session, () =>
          uploads.append(repository, session, chunkOf(ctx)),
        )
        accepted(ctx, repository, session, size)
      },
      PUT: async (ctx, repository, session) => {
        const digest = parseDigest(query(ctx, 'digest') ?? '')
        await inOrder(ctx, repository, session, () =>
          uploads.finish(repository, session, chunkOf(ctx), digest),
        )
        created(ctx, repository, digest)
      },
      DELETE: async (ctx, repository, session) => {
        await uploads.cancel(repository, session)
        sendEmpty(ctx, 204)
      },
    },
  }

  /** A chunk that does not fit is told where the upload stands (distribution-spec, Pushing a blob in chunks). */
  async function inOrder<T>(
    ctx: Context,
    repository: Repository,
    session: string,
    work: () => Promise<T>,
  ): Promise<T> {
    try {
      return await work()
    } catch (error) {
      if (error instanceof RegistryError && error.error === 'BLOB_UPLOAD_OUT_OF_ORDER') {
        accepted(ctx, repository, session, await uploads.size(repository, session))
      }
      throw error
    }
  }
}

function chunkOf(ctx: Context): Chunk {
  const header = ctx.req.headers['content-range']
  if (header === undefined) return { body: bodyOf(ctx) }
  const { start, end } = parseChunkRange(header)
  const length = declaredLength(ctx)
  if (length !== undefined && length !== end - start + 1) {
    throw new RegistryError('SIZE_INVALID', { detail: { 'Content-Range': header, 'Content-Length': length } })
  }
  return { body: bodyOf(ctx), at: start }
}

function algorithmIn(ctx: Context) {
  const text = query(ctx, 'digest-algorithm')
  if (text === undefined) return undefined
  const algorithm = parseAlgorithm(text)
  if (algorithm) return algorithm
  throw new RegistryError('DIGEST_INVALID', {
    message: 'digest-algorithm is sha256 or sha512',
    detail: { algorithm: text },
  })
}

function query(ctx: Context, name: string): string | undefined {
  return parametersOf(ctx).get(name) ?? undefined
}

function accepted(
  ctx: Context,
  repository: Repository,
  session: string,
  size: number,
  status: 202 | 204 = 202,
): void {
  sendEmpty(ctx, status)
  // Some clients append `&digest=` to a Location without looking for a query, so it has one, named as distribution's is.
  ctx.set('Location', `/v2/${repository}/blobs/uploads/${session}?_state=open`)
  ctx.set('Range', `0-${Math.max(0, size - 1)}`)
  ctx.set('Docker-Upload-UUID', session)
}

function created(ctx: Context, repository: Repository, digest: Digest): void {
  sendEmpty(ctx, 201)
  ctx.set('Location', `/v2/${repository}/blobs/${digest}`)
  ctx.set('Docker-Content-Digest', digest)
}
