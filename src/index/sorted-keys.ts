import { bytewise } from './keys.ts'

/** A chunk that grows beyond this many keys is split, so that inserting moves few keys. */
const MAX_CHUNK = 512

/** A set of encoded keys in the order of the index. Adding and removing cost the logarithm of its size. */
export class SortedKeys {
  /** None of them is empty. */
  readonly #chunks: string[][] = []

  /** The key must not be in the set yet. */
  add(key: string): void {
    const at = Math.max(0, firstWhere(this.#chunks, chunk => bytewise(chunk[0] as string, key) > 0) - 1)
    const chunk = this.#chunks[at]
    if (!chunk) {
      this.#chunks.push([key])
      return
    }
    chunk.splice(placeOf(chunk, key), 0, key)
    if (chunk.length > MAX_CHUNK) this.#chunks.splice(at + 1, 0, chunk.splice(MAX_CHUNK / 2))
  }

  /** Does nothing if the key is not in the set. */
  delete(key: string): void {
    const at = firstWhere(this.#chunks, chunk => bytewise(chunk.at(-1) as string, key) >= 0)
    const chunk = this.#chunks[at]
    if (!chunk) return
    const place = placeOf(chunk, key)
    if (chunk[place] !== key) return
    chunk.splice(place, 1)
    if (chunk.length === 0) this.#chunks.splice(at, 1)
  }

  /** The keys from `gte` on and before `lt`. */
  *range(gte: string, lt: string): Iterable<string> {
    let at = firstWhere(this.#chunks, chunk => bytewise(chunk.at(-1) as string, gte) >= 0)
    for (let place = placeOf(this.#chunks[at] ?? [], gte); at < this.#chunks.length; at++, place = 0) {
      const chunk = this.#chunks[at] as string[]
      const whole = bytewise(chunk.at(-1) as string, lt) < 0
      const end = whole ? chunk.length : placeOf(chunk, lt)
      for (; place < end; place++) yield chunk[place] as string
      if (!whole) return
    }
  }
}

/** The place of the key in the chunk, or the place that it would have there. */
function placeOf(chunk: readonly string[], key: string): number {
  return firstWhere(chunk, other => bytewise(other, key) >= 0)
}

/** The first place at which the condition holds; once it does, it holds to the end. */
function firstWhere<Item>(items: readonly Item[], holds: (item: Item) => boolean): number {
  let [low, high] = [0, items.length]
  while (low < high) {
    const middle = (low + high) >>> 1
    if (holds(items[middle] as Item)) high = middle
    else low = middle + 1
  }
  return low
}
