import type { LookupAddress, LookupOptions } from 'node:dns'
import { isIP, type LookupFunction } from 'node:net'
import { createSecureContext, rootCertificates } from 'node:tls'
import type { buildConnector } from 'undici'
import { isPublicAddress } from './addresses.ts'
import { undici } from './on-demand.ts'
import type { UpstreamSettings } from './settings.ts'

/** A host that somebody else named turned out to be no public one. */
export class AddressRefused extends Error {
  override readonly name = 'AddressRefused'
}

/**
 * Connects to the upstream's own origin and to trusted realms wherever they are: the operator named them. To any other
 * host, which a redirect or a realm named, at public addresses only, judged as they are connected to, so that a name
 * that means something else a moment later is of no use.
 */
export function connectorOf(settings: UpstreamSettings, lookup: LookupFunction): buildConnector.connector {
  const options = {
    timeout: settings.connectTimeout,
    // Once: it reads more than a hundred certificates.
    ...(settings.ca !== undefined && {
      secureContext: createSecureContext({ ca: [...rootCertificates, settings.ca] }),
    }),
  }
  const { buildConnector } = undici()
  const anywhere = buildConnector({ ...options, lookup })
  const publicly = buildConnector({ ...options, lookup: publicLookup(lookup) })
  const named = new Set([settings.url, ...settings.trustedRealms].map(url => new URL(url).origin))
  return (target, callback) => {
    const { protocol, hostname, host = hostname } = target
    if (settings.allowPrivateAddresses || named.has(`${protocol}//${host}`)) anywhere(target, callback)
    else if (isIP(hostname) === 0 || isPublicAddress(hostname)) publicly(target, callback)
    else callback(refusal(hostname), null)
  }
}

/** One address that is not public is enough to refuse a name: an honest one has no such. */
function publicLookup(lookup: LookupFunction): LookupFunction {
  return (hostname, options: LookupOptions, callback) => {
    lookup(hostname, { ...options, all: true }, (error, found) => {
      if (error) return callback(error, '')
      const addresses = found as LookupAddress[]
      const [first] = addresses
      const inner = addresses.find(({ address }) => !isPublicAddress(address))
      if (inner || !first) callback(refusal(hostname, inner?.address), '')
      else if (options.all) callback(null, addresses)
      else callback(null, first.address, first.family)
    })
  }
}

function refusal(host: string, address = host): AddressRefused {
  const where = host === address ? host : `${host} (${address})`
  return new AddressRefused(`${where} is not a public address; set allowPrivateAddresses where that is meant`)
}
