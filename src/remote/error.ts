/**
 * What went wrong with an upstream, as far as it makes a difference to who asked:
 * - `unknown`: it said that it does not have it (404)
 * - `refused`: it does not let us (401, 403), or its redirect or realm is not allowed here
 * - `busy`: it asks to come back later (429)
 * - `timeout`: no connection, no answer or no bytes within the limits
 * - `unreachable`: refused, reset, no such host, TLS; or not asked, because it failed a moment ago (circuit open)
 * - `failed`: it answered with an error of its own (5xx)
 * - `wrong`: what it sent is not what it must be: digest, size, media type, syntax; cut off; too large
 */
export type RemoteFailure = 'unknown' | 'refused' | 'busy' | 'timeout' | 'unreachable' | 'failed' | 'wrong'

export interface RemoteErrorOptions {
  readonly retryAfter?: number | undefined
  readonly refused?: boolean
  readonly cause?: unknown
}

/** An upstream did not give what it was asked for. The message says what failed where, without secrets. */
export class RemoteError extends Error {
  override readonly name = 'RemoteError'
  readonly failure: RemoteFailure
  /** The upstream's name. */
  readonly upstream: string
  /** Seconds, where the upstream says when to come back. */
  readonly retryAfter: number | undefined
  /** Whether a whole document came and was refused for what it is: it would be so if it were asked for again. */
  readonly refused: boolean

  constructor(upstream: string, failure: RemoteFailure, message: string, options: RemoteErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    this.upstream = upstream
    this.failure = failure
    this.retryAfter = options.retryAfter
    this.refused = options.refused ?? false
  }
}
