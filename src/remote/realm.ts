import { tldts } from './on-demand.ts'
import type { RemoteRequest } from './request.ts'
import type { UpstreamSettings } from './settings.ts'

/**
 * The realm that the upstream names, where it may be asked for a token: over https, or over http where the upstream is
 * http as well; and where credentials go along, if they may have them. Else throws a `RemoteError`.
 */
export function checkRealm(
  request: RemoteRequest,
  text: string,
  settings: UpstreamSettings,
  withCredentials: boolean,
): URL {
  if (!URL.canParse(text)) throw request.error('wrong', 'the realm that it names is no URL')
  const realm = new URL(text)
  const upstream = new URL(settings.url)
  if (realm.protocol !== 'https:' && realm.protocol !== upstream.protocol) {
    throw request.error('refused', `its realm ${realm.origin} is not https`)
  }
  if (!withCredentials || mayHaveCredentials(realm, upstream, settings.trustedRealms)) return realm
  throw request.error(
    'refused',
    `its realm ${realm.origin} does not get the username and password, for it is of another domain; ` +
      `add "${realm.origin}" to trustedRealms if it belongs to the upstream`,
  )
}

function mayHaveCredentials(realm: URL, upstream: URL, trusted: readonly string[]): boolean {
  if (realm.origin === upstream.origin) return true
  if (trusted.some(url => new URL(url).origin === realm.origin)) return true
  return realm.protocol === 'https:' && haveSameDomain(realm.hostname, upstream.hostname)
}

/** Whether one organisation registered both: below a suffix such as github.io each name is somebody else's. */
function haveSameDomain(one: string, other: string): boolean {
  const { getDomain } = tldts()
  const domain = getDomain(one, { allowPrivateDomains: true })
  return domain !== null && domain === getDomain(other, { allowPrivateDomains: true })
}
