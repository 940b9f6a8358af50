import { RemoteError, type RemoteErrorOptions, type RemoteFailure } from './error.ts'

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
  error(failure: RemoteFailure, reason: string, options?: RemoteErrorOptions): RemoteError {
    const { origin, pathname } = this.url
    return new RemoteError(this.upstream, failure, `${this.method} ${origin}${pathname}: ${reason}`, options)
  }

  /** That the document is not what it must be, so that it would be of no use to ask for it again soon. */
  refusal(reason: string, cause?: unknown): RemoteError {
    return this.error('wrong', reason, { refused: true, cause })
  }
}
