import type { Registry } from '../../core/registry.ts'
import { parseDigest } from '../../oci/digest.ts'
import { sendContent } from '../send-content.ts'
import { sendEmpty } from '../send-empty.ts'
import type { Handlers } from './dispatch.ts'

/** distribution-spec end-2, end-10. */
export function blobHandlers({ blobs }: Registry): Handlers {
  return {
    blob: {
      GET: async (ctx, repository, last) => {
        const digest = parseDigest(last)
        const size = await blobs.stat(repository, digest)
        ctx.set('Docker-Content-Digest', digest)
        const open = () => blobs.open(repository, digest)
        await sendContent(ctx, { digest, size, open, check: () => blobs.check(digest, size) })
      },
      DELETE: async (ctx, repository, last) => {
        await blobs.delete(repository, parseDigest(last))
        sendEmpty(ctx, 202)
      },
    },
  }
}
