/** What a JSON document may hold. It is checked on the bytes, before anything is allocated for it. */
export interface JsonLimits {
  /** Levels of objects and arrays. */
  readonly depth: number
  /** Members of objects and elements of arrays, in all. */
  readonly values: number
  /** Of several members of one name the last one counts, as for most readers; absent: they are refused. */
  readonly repeatedNames?: 'last'
}

export const MANIFEST_JSON: JsonLimits = { depth: 100, values: 100_000 }

/** For documents whose size is limited elsewhere, such as the index of a layout. */
export const ANY_COUNT: JsonLimits = { depth: 100, values: Number.POSITIVE_INFINITY }

/** The document holds more than a limit allows. */
export class JsonTooLarge extends SyntaxError {
  override readonly name = 'JsonTooLarge'
  readonly limit: number
  readonly found: number

  constructor(what: string, limit: number, found: number) {
    super(`it has more than ${limit} ${what}: ${found}`)
    this.limit = limit
    this.found = found
  }
}

const UTF8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

const [QUOTE, BACKSLASH, COLON, COMMA] = [0x22, 0x5c, 0x3a, 0x2c]
const [OPEN_ARRAY, CLOSE_ARRAY, OPEN_OBJECT, CLOSE_OBJECT] = [0x5b, 0x5d, 0x7b, 0x7d]

/** A string, or one of the signs that structure is made of; whatever stands between them is a number or a word. */
const TOKEN = /"(?:[^"\\]+|\\.)*"|[{}[\]:,]/gs

/**
 * Parses JSON that means the same to every reader: RFC 8259, 4 leaves open which of two equal names counts,
 * so documents with such are refused. Linear in the number of bytes. Throws `SyntaxError`, `JsonTooLarge` beyond the
 * limits, and `TypeError` for bytes that are not UTF-8.
 */
export function parseStrictJson(bytes: Uint8Array, limits: JsonLimits = MANIFEST_JSON): unknown {
  const names = checkedNames(bytes, limits)
  const text = UTF8.decode(bytes)
  const value: unknown = JSON.parse(text)
  // JSON.parse keeps one member of each name, so a document that had more members has a name twice.
  if (limits.repeatedNames === undefined && countNames(value) !== names)
    throw new SyntaxError(`the name "${repeatedName(text)}" stands twice in one object`)
  return value
}

/** The number of names in the document. Throws where it is beyond the limits; what else is wrong, JSON.parse finds. */
function checkedNames(bytes: Uint8Array, limits: JsonLimits): number {
  let depth = 0
  let deepest = 0
  let names = 0
  let values = 0
  for (let at = 0; at < bytes.length; at++) {
    switch (bytes[at]) {
      case QUOTE:
        for (at++; at < bytes.length && bytes[at] !== QUOTE; at++) if (bytes[at] === BACKSLASH) at++
        break
      case OPEN_ARRAY:
      case OPEN_OBJECT:
        values++
        if (++depth > deepest) deepest = depth
        break
      case CLOSE_ARRAY:
      case CLOSE_OBJECT:
        depth--
        break
      case COMMA:
        values++
        break
      case COLON:
        names++
    }
  }
  if (deepest > limits.depth)
    throw new SyntaxError(`nested more than ${limits.depth} levels deep: ${deepest}`)
  if (values > limits.values) throw new JsonTooLarge('values', limits.values, values)
  return names
}

/** The depth is limited, so this cannot use up the stack. */
function countNames(value: unknown): number {
  if (typeof value !== 'object' || value === null) return 0
  let count = 0
  if (Array.isArray(value)) {
    for (const element of value) count += countNames(element)
    return count
  }
  const members = Object.values(value)
  for (const member of members) count += countNames(member)
  return count + members.length
}

/** The first name that stands twice in one object, cut to a length that can be shown. */
function repeatedName(text: string): string {
  /** For each object around the token the names seen in it; for each array undefined. */
  const open: (Set<string> | undefined)[] = []
  let last = ''
  for (const [token] of text.matchAll(TOKEN)) {
    if (token === '{' || token === '[') {
      open.push(token === '{' ? new Set() : undefined)
    } else if (token === '}' || token === ']') {
      open.pop()
    } else if (token === ':') {
      const name = JSON.parse(last) as string
      if (open.at(-1)?.has(name)) return name.slice(0, 100)
      open.at(-1)?.add(name)
    }
    last = token
  }
  return ''
}
