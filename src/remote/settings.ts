/** How one upstream is reached. */
export interface UpstreamSettings {
  /** What messages and logs call it. */
  readonly name: string
  /** `https://host[:port][/path]`, or http; a path stands before `/v2/` and `/plugins`. */
  readonly url: string
  readonly username?: string | undefined
  readonly password?: string | undefined
  /** Milliseconds for a connection with its TLS. */
  readonly connectTimeout: number
  /** Milliseconds without a byte. Together with `connectTimeout` the budget for the head of an answer. */
  readonly idleTimeout: number
  /** Bytes. */
  readonly maxBlobSize: number
  /** Origins such as `https://auth.example.org` that get the credentials when the upstream names them as its realm. */
  readonly trustedRealms: readonly string[]
  /** Whether redirects and realms may lead to addresses that are not public. */
  readonly allowPrivateAddresses: boolean
  /** Certificates in PEM that are trusted beside the usual ones. */
  readonly ca?: string | undefined
}
