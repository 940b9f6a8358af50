import type { RemoteRequest } from './request.ts'

/**
 * The query of the next page, by a Link header (RFC 8288); undefined where there is none. Only another page of the same
 * list counts: a link that leads elsewhere is wrong.
 */
export function nextPage(request: RemoteRequest, header: string | undefined): URLSearchParams | undefined {
  for (const [, target = '', parameters = ''] of (header ?? '').matchAll(/<([^<>]*)>([^<]*)/g)) {
    if (!/;\s*rel\s*=\s*(?:"(?:[^"]*\s)?next[\s"]|next\b)/i.test(parameters)) continue
    const { url } = request
    const next = URL.canParse(target, url.href) ? new URL(target, url) : undefined
    if (next?.origin !== url.origin || next.pathname !== url.pathname) {
      throw request.refusal('its Link to the next page leads elsewhere')
    }
    return next.searchParams
  }
  return undefined
}
