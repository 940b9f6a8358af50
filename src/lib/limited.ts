/** The chunks of the source up to `limit` bytes in all; throws `error()` in place of the chunk that goes past it. */
export async function* limited(
  source: AsyncIterable<Uint8Array>,
  limit: number,
  error: () => Error,
): AsyncGenerator<Uint8Array> {
  let left = limit
  for await (const chunk of source) {
    left -= chunk.length
    if (left < 0) throw error()
    yield chunk
  }
}
