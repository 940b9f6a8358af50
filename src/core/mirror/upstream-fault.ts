import { type ErrorName, RegistryError } from '../../oci/errors.ts'
import { RemoteError, type RemoteFailure } from '../../remote/error.ts'

/** Never 404: that is for what all upstreams said that they do not have. */
const ERRORS: Record<RemoteFailure, ErrorName> = {
  unknown: 'UPSTREAM_FAILED',
  refused: 'UPSTREAM_FAILED',
  failed: 'UPSTREAM_FAILED',
  wrong: 'UPSTREAM_FAILED',
  unreachable: 'UPSTREAM_UNREACHABLE',
  timeout: 'UPSTREAM_TIMEOUT',
  busy: 'UPSTREAM_BUSY',
}

/** What an upstream's fault means to who asked here; other errors as they are. */
function upstreamFault(error: unknown): unknown {
  if (!(error instanceof RemoteError)) return error
  const { upstream, failure, message, retryAfter } = error
  return new RegistryError(ERRORS[failure], {
    message: `the mirror of ${upstream} could not be filled: ${message}`,
    detail: { mirror: upstream, failure },
    cause: error,
    headers: retryAfter === undefined ? {} : { 'Retry-After': String(Math.ceil(retryAfter)) },
  })
}

/** The same work, whose `RemoteError`s are what they mean to who asked here. */
export async function honest<T>(work: Promise<T>): Promise<T> {
  return work.catch(error => {
    throw upstreamFault(error)
  })
}

/** A 404 of what is here as undefined. */
export async function orUnknown<T>(work: Promise<T>): Promise<T | undefined> {
  try {
    return await work
  } catch (error) {
    if (error instanceof RegistryError && error.status === 404) return undefined
    throw error
  }
}
