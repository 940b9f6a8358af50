import type { Context } from 'koa'
import { RegistryError } from '../oci/errors.ts'

/**
 * RFC 9111, 5.2.1.7: who sends `Cache-Control: only-if-cached` gets what is here, and no upstream is asked.
 * A 504 then says that it is not here, which is no word on what the upstreams have.
 */
export function whereAsked<Reads, T>(
  ctx: Context,
  anywhere: Reads,
  here: Reads,
  read: (reads: Reads) => Promise<T>,
): Promise<T> {
  const askHere = anywhere !== here && /\bonly-if-cached\b/i.test(ctx.req.headers['cache-control'] ?? '')
  return askHere ? hereAlone(here, read) : read(anywhere)
}

async function hereAlone<Reads, T>(here: Reads, read: (reads: Reads) => Promise<T>): Promise<T> {
  try {
    return await read(here)
  } catch (error) {
    if (!(error instanceof RegistryError && error.status === 404)) throw error
    throw new RegistryError('UPSTREAM_TIMEOUT', {
      message: 'it is not here, and no upstream was to be asked',
      cause: error,
    })
  }
}
