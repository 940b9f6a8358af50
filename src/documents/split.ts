import { setImmediate } from 'node:timers/promises'

/**
 * An object on its way between threads. A message is received at once, however large it is, so long lists go as JSON
 * in chunks, which the receiver parses in turns.
 */
export interface SplitObject {
  /** All members, the lists empty. */
  readonly head: Record<string, unknown>
  readonly lists: readonly SplitList[]
}

interface SplitList {
  readonly name: string
  /** Each one a JSON array in UTF-8. */
  readonly chunks: readonly Uint8Array<ArrayBuffer>[]
}

/** Characters of a chunk, unless one element has more. It is parsed in a fraction of a millisecond. */
const CHUNK = 32 * 1024

export function split(object: Record<string, unknown>): SplitObject {
  const head = { ...object }
  const lists: SplitList[] = []
  for (const [name, value] of Object.entries(object)) {
    if (!Array.isArray(value)) continue
    head[name] = []
    lists.push({ name, chunks: [...chunksOf(value)] })
  }
  return { head, lists }
}

/** The object again. Other work of the event loop is done between two chunks. */
export async function joined({ head, lists }: SplitObject): Promise<Record<string, unknown>> {
  for (const { name, chunks } of lists) {
    const list = head[name] as unknown[]
    for (const chunk of chunks) {
      for (const element of JSON.parse(Buffer.from(chunk.buffer).toString())) list.push(element)
      await setImmediate()
    }
  }
  return head
}

function* chunksOf(list: readonly unknown[]): Iterable<Uint8Array<ArrayBuffer>> {
  let parts: string[] = []
  let size = 0
  const chunk = () => new TextEncoder().encode(`[${parts.join(',')}]`)
  for (const element of list) {
    const part = JSON.stringify(element)
    if (size > 0 && size + part.length > CHUNK) {
      yield chunk()
      parts = []
      size = 0
    }
    parts.push(part)
    size += part.length
  }
  if (parts.length > 0) yield chunk()
}
