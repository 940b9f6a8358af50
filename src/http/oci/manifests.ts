import type { Context } from 'koa'
import type { Conditions, Reference } from '../../core/manifests.ts'
import type { Registry } from '../../core/registry.ts'
import { isDigest, parseDigest } from '../../oci/digest.ts'
import { RegistryError } from '../../oci/errors.ts'
import { MAX_MANIFEST_BYTES } from '../../oci/manifest.ts'
import { isTag, parseTag, type Tag } from '../../oci/name.ts'
import { readBody } from '../body.ts'
import { callerOf } from '../caller.ts'
import { whereAsked } from '../only-if-cached.ts'
import { parametersOf } from '../parameters.ts'
import { standsOn } from '../ready-answers.ts'
import { etags, hasAlready, IMMUTABLE } from '../send-content.ts'
import { sendEmpty } from '../send-empty.ts'
import { warn, warnOfAge } from '../stale.ts'
import type { Handlers } from './dispatch.ts'

/** distribution-spec end-3, end-7, end-9. */
export function manifestHandlers({ manifests, reads, here, freshness }: Registry): Handlers {
  return {
    manifest: {
      GET: async (ctx, repository, last) => {
        const reference = knownReference(last)
        standsOn(ctx, freshness.manifests(repository))
        const { digest, mediaType, bytes, stale } = await whereAsked(ctx, reads, here.reads, from =>
          from.manifest(repository, reference, callerOf(ctx)),
        )
        if (stale) warnOfAge(ctx, stale)
        ctx.set('Docker-Content-Digest', digest)
        ctx.set('ETag', `"${digest}"`)
        if (isDigest(reference)) ctx.set('Cache-Control', IMMUTABLE)
        if (hasAlready(ctx, digest)) {
          ctx.status = 304
          return
        }
        ctx.set('Content-Type', mediaType)
        ctx.body = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
      },
      PUT: async (ctx, repository, last) => {
        const reference = parseReference(last)
        const tags = isDigest(reference) ? tagsOf(ctx) : []
        const tooLarge = () =>
          new RegistryError('MANIFEST_TOO_LARGE', { detail: { limit: MAX_MANIFEST_BYTES } })
        const body = await readBody(ctx, MAX_MANIFEST_BYTES, tooLarge)
        const options = { tags, ...conditionsOf(ctx) }
        const type = ctx.req.headers['content-type']
        const { digest, subject, unsearched } = await manifests.put(
          repository,
          reference,
          body,
          type,
          options,
        )
        sendEmpty(ctx, 201)
        ctx.set('Location', `/v2/${repository}/manifests/${digest}`)
        ctx.set('Docker-Content-Digest', digest)
        if (subject) ctx.set('OCI-Subject', subject)
        if (unsearched)
          warn(ctx, `the manifest is stored, but plugins in it may not be listed: ${unsearched}`)
        if (tags.length > 0) ctx.set('OCI-Tag', tags.join(', '))
      },
      DELETE: async (ctx, repository, last) => {
        await manifests.delete(repository, parseReference(last), conditionsOf(ctx))
        sendEmpty(ctx, 202)
      },
    },
  }
}

/** Of one push; the distribution-spec wants 10 at least, and 414 for more than are taken. */
const MAX_TAGS = 500

/** The tags beside a digest, each once. Throws `TAGS_TOO_MANY`, `TAG_INVALID`. */
function tagsOf(ctx: Context): Tag[] {
  const tags = parametersOf(ctx).getAll('tag')
  if (tags.length > MAX_TAGS) {
    throw new RegistryError('TAGS_TOO_MANY', {
      message: `a push sets at most ${MAX_TAGS} tags, and these are ${tags.length}; push the manifest again with the others`,
      detail: { limit: MAX_TAGS, found: tags.length },
    })
  }
  return [...new Set(tags.map(parseTag))]
}

/** A colon is in every digest and in no tag. */
function parseReference(text: string): Reference {
  return text.includes(':') ? parseDigest(text) : parseTag(text)
}

/** The same for reading: what can be no tag names no manifest (distribution-spec, Pulling manifests: 404). */
function knownReference(text: string): Reference {
  if (text.includes(':') || isTag(text)) return parseReference(text)
  throw new RegistryError('MANIFEST_UNKNOWN', { detail: { reference: text.slice(0, 128) } })
}

/** RFC 9110, 13.1.1 and 13.1.2: If-Match compares strongly, If-None-Match weakly. */
function conditionsOf(ctx: Context): Conditions {
  const { 'if-match': ifMatch, 'if-none-match': ifNoneMatch } = ctx.req.headers
  return {
    ifMatch: ifMatch === undefined ? undefined : etags(ifMatch, 'strong'),
    ifNoneMatch: ifNoneMatch === undefined ? undefined : etags(ifNoneMatch, 'weak'),
  }
}
