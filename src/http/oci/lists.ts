import type { Context } from 'koa'
import type { Registry } from '../../core/registry.ts'
import { parseDigest } from '../../oci/digest.ts'
import { RegistryError } from '../../oci/errors.ts'
import { OCI_INDEX } from '../../oci/media-types.ts'
import { callerOf } from '../caller.ts'
import { whereAsked } from '../only-if-cached.ts'
import { parametersOf } from '../parameters.ts'
import { standsOn } from '../ready-answers.ts'
import { sendJson } from '../send-json.ts'
import { warn, warnOfAge } from '../stale.ts'
import type { Handlers } from './dispatch.ts'

/** Entries of a page where the client does not say, and at most. */
const PAGE = 1000

/** distribution-spec end-8 and end-12, and the catalog of the Docker Registry HTTP API V2. */
export function listHandlers({ discovery, reads, here, freshness }: Registry): Handlers {
  return {
    catalog: {
      GET: async ctx => {
        standsOn(ctx, freshness.repositories())
        const { items, next } = await discovery.repositories(limitOf(ctx), lastOf(ctx))
        sendPage(ctx, 'application/json', { repositories: items }, next)
      },
    },
    tags: {
      GET: async (ctx, repository) => {
        standsOn(ctx, freshness.tags(repository))
        const { items, next, stale } = await whereAsked(ctx, reads, here.reads, from =>
          from.tags(repository, limitOf(ctx), lastOf(ctx), callerOf(ctx)),
        )
        if (stale) warnOfAge(ctx, stale)
        sendPage(ctx, 'application/json', { name: repository, tags: items }, next)
      },
    },
    referrers: {
      GET: async (ctx, repository, last) => {
        standsOn(ctx, freshness.referrers(repository))
        const artifactType = parametersOf(ctx).get('artifactType') ?? undefined
        const options = { artifactType, after: lastOf(ctx) }
        const { items, next, stale, fault } = await whereAsked(ctx, reads, here.reads, from =>
          from.referrers(repository, parseDigest(last), limitOf(ctx), options, callerOf(ctx)),
        )
        if (stale) warnOfAge(ctx, stale)
        if (fault !== undefined) warn(ctx, `the list is not whole: ${fault}`)
        if (artifactType !== undefined) ctx.set('OCI-Filters-Applied', 'artifactType')
        sendPage(ctx, OCI_INDEX, { schemaVersion: 2, mediaType: OCI_INDEX, manifests: items }, next)
      },
    },
  }
}

function limitOf(ctx: Context): number {
  const text = parametersOf(ctx).get('n')
  if (text === null) return PAGE
  if (/^\d{1,15}$/.test(text)) return Math.min(Number(text), PAGE)
  throw new RegistryError('PAGE_INVALID', {
    message: 'n is a number of entries, 0 or more',
    detail: { n: text.slice(0, 100) },
  })
}

function lastOf(ctx: Context): string | undefined {
  return parametersOf(ctx).get('last') ?? undefined
}

/** `next` is where the next page begins (RFC 8288); all other parameters stay. */
function sendPage(ctx: Context, type: string, page: object, next: string | undefined): void {
  if (next !== undefined) {
    const parameters = new URLSearchParams(ctx.querystring)
    parameters.set('last', next)
    ctx.set('Link', `<${ctx.path}?${parameters}>; rel="next"`)
  }
  sendJson(ctx, page, type)
}
