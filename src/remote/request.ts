import { RemoteError, type RemoteFailure } from './error.ts'

/** What an upstream is asked, as its errors tell it. */
export class RemoteRequest {
  readonly upstream: string
  readonly method: 'GET' | 'HEAD'
  readonly url: URL

  constructor(upstream: string, method: 'GET' | 'HEAD', url: URL) {
    this.upstream = upstream
    this.method = method
    this.url = url
  }

  /** Without the query, which may carry secrets. */
  error(
    failure: RemoteFailure,
    reason: string,
    options?: { retryAfter?: number | undefined; cause?: unknown },
  ): RemoteError {
    const { origin, pathname } = this.url
    return new RemoteError(this.upstream, failure, `${this.method} ${origin}${pathname}: ${reason}`, options)
  }
}
