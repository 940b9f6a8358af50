import { isIPv6 } from 'node:net'
import { RegistryError } from '../../oci/errors.ts'

/** So many clients are remembered: a few megabytes. */
const MAX_CLIENTS = 10_000

/** What a request costs for something that the upstream does not have or refuses: it may be a made-up name. */
export const FAILED_COST = 10

/**
 * How many requests to upstreams one client address may cause: a token bucket that holds those of a minute.
 * Requests that the cache serves cost nothing.
 */
export class ClientRates {
  readonly #perMinute: number
  readonly #now: () => number
  /** What each client has used up, at a time. The client that asked longest ago is the first. */
  readonly #used = new Map<string, { used: number; at: number }>()

  /** `perMinute`: Infinity for no limit; `now`: a clock in milliseconds. */
  constructor(perMinute: number, now: () => number = () => performance.now()) {
    this.#perMinute = perMinute
    this.#now = now
  }

  /** Throws `TOOMANYREQUESTS` if the client has used up what it may. A client without an address is not counted. */
  admit(address: string | undefined): void {
    if (address === undefined || this.#perMinute === Number.POSITIVE_INFINITY) return
    const excess = this.#usedBy(clientOf(address)) + 1 - this.#perMinute
    if (excess <= 0) return
    const retryAfter = Math.ceil((excess * 60) / this.#perMinute)
    throw new RegistryError('TOOMANYREQUESTS', {
      message:
        `your address has asked for too much that is not here: try again in ${retryAfter} s; ` +
        'MEMFLOW_MIRROR_RATE sets how many requests to upstreams one address may cause',
      detail: { retryAfter },
      headers: { 'Retry-After': String(retryAfter) },
    })
  }

  /** Notes that the client has caused requests that cost so much. */
  charge(address: string | undefined, cost: number): void {
    if (address === undefined || this.#perMinute === Number.POSITIVE_INFINITY) return
    const client = clientOf(address)
    // No client has to wait longer than two minutes.
    const used = Math.min(this.#usedBy(client) + cost, this.#perMinute * 2)
    this.#used.delete(client)
    this.#used.set(client, { used, at: this.#now() })
    const [oldest] = this.#used.keys()
    if (this.#used.size > MAX_CLIENTS && oldest !== undefined) this.#used.delete(oldest)
  }

  #usedBy(client: string): number {
    const { used = 0, at = 0 } = this.#used.get(client) ?? {}
    return Math.max(0, used - ((this.#now() - at) * this.#perMinute) / 60_000)
  }
}

/** An IPv4 address, or the 64 bits of an IPv6 address that its network has: a client has all addresses below them. */
function clientOf(address: string): string {
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(address)?.[1]
  if (mapped !== undefined || !isIPv6(address)) return mapped ?? address
  const [head = '', tail] = address.split('%', 1).join('').split('::')
  const groups = head === '' ? [] : head.split(':')
  const behind = tail ? tail.split(':') : []
  while (tail !== undefined && groups.length + behind.length < 8) groups.push('0')
  return [...groups, ...behind].slice(0, 4).join(':')
}
