import type { Registry } from '../../core/registry.ts'
import { parseDigest } from '../../oci/digest.ts'
import { callerOf } from '../caller.ts'
import { whereAsked } from '../only-if-cached.ts'
import { standsOn } from '../ready-answers.ts'
import { sendContent } from '../send-content.ts'
import { sendEmpty } from '../send-empty.ts'
import type { Handlers } from './dispatch.ts'

/** distribution-spec end-2, end-10. */
export function blobHandlers({ blobs, reads, here, freshness }: Registry): Handlers {
  return {
    blob: {
      GET: async (ctx, repository, last) => {
        const digest = parseDigest(last)
        standsOn(ctx, freshness.blobs(repository))
        const wanted = ctx.method === 'HEAD' ? 'size' : 'bytes'
        const content = await whereAsked(ctx, reads, here.reads, from =>
          from.blob(repository, digest, wanted, callerOf(ctx)),
        )
        ctx.set('Docker-Content-Digest', digest)
        await sendContent(ctx, { digest, ...content })
      },
      DELETE: async (ctx, repository, last) => {
        await blobs.delete(repository, parseDigest(last))
        sendEmpty(ctx, 202)
      },
    },
  }
}
