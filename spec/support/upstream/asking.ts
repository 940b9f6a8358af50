import type { LookupFunction } from 'node:net'
import { RemoteError } from '../../../src/remote/error.ts'
import type { UpstreamSettings } from '../../../src/remote/settings.ts'

/** Times for specs that wait for their end: 0.6 s in all. A sound upstream on a busy machine may take longer. */
export const SHORT = { connectTimeout: 300, idleTimeout: 300 }

/** Times that end what hangs, and nothing else. */
export const PATIENT = { connectTimeout: 100_000, idleTimeout: 100_000 }

/** From now on, answers have to come within 0.6 s: for an upstream that never answers, while it does not. */
export function hurry(settings: UpstreamSettings): void {
  Object.assign(settings, SHORT)
}

/** Ends what `hurry` has begun. */
export function relax(settings: UpstreamSettings): void {
  Object.assign(settings, PATIENT)
}

/** Settings with times that a busy machine keeps. */
export function settingsFor(url: string, more: Partial<UpstreamSettings> = {}): UpstreamSettings {
  return {
    name: 'hub',
    url,
    ...PATIENT,
    maxBlobSize: 1024 * 1024,
    trustedRealms: [],
    allowPrivateAddresses: false,
    ...more,
  }
}

/** What the work fails with. Throws where that is no `RemoteError`, or where it goes well. */
export async function remoteError(work: Promise<unknown>): Promise<RemoteError> {
  try {
    await work
  } catch (error) {
    if (error instanceof RemoteError) return error
    throw error
  }
  throw new Error('it went well')
}

/** All bytes of a body. */
export async function read(body: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const chunks: Uint8Array[] = []
  for await (const chunk of body) chunks.push(chunk)
  return Buffer.concat(chunks)
}

/** Names that mean these addresses, one after another with each question; the last one stays. */
export function resolver(names: Readonly<Record<string, readonly string[]>>): LookupFunction {
  const asked = new Map<string, number>()
  return (hostname, options, callback) => {
    const n = asked.get(hostname) ?? 0
    asked.set(hostname, n + 1)
    const addresses = names[hostname]
    const address = addresses?.[Math.min(n, addresses.length - 1)]
    if (address === undefined) {
      return callback(Object.assign(new Error('no such host'), { code: 'ENOTFOUND' }), '')
    }
    const family = address.includes(':') ? 6 : 4
    if (options.all) callback(null, [{ address, family }])
    else callback(null, address, family)
  }
}
