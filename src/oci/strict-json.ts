/** Deeper nesting than this has no use in a manifest, and every reader of it pays. */
const MAX_DEPTH = 100

/** A string, or one of the signs that structure is made of; whatever stands between them is a number or a word. */
const TOKEN = /"(?:[^"\\]+|\\.)*"|[{}[\]:,]/gs

/**
 * Parses JSON that means the same to every reader: RFC 8259, 4 leaves open which of two equal names counts,
 * so documents with such are refused, and so is deep nesting. Linear in the length of the text. Throws `SyntaxError`.
 */
export function parseStrictJson(text: string): unknown {
  const value: unknown = JSON.parse(text)
  /** For each object around the token the names seen in it; for each array undefined. */
  const open: (Set<string> | undefined)[] = []
  let last = ''
  for (const [token] of text.matchAll(TOKEN)) {
    if (token === '{' || token === '[') {
      if (open.push(token === '{' ? new Set() : undefined) > MAX_DEPTH) {
        throw new SyntaxError(`nested more than ${MAX_DEPTH} levels deep`)
      }
    } else if (token === '}' || token === ']') {
      open.pop()
    } else if (token === ':') {
      const name = JSON.parse(last) as string
      const names = open.at(-1)
      if (names?.has(name))
        throw new SyntaxError(`the name "${name.slice(0, 100)}" stands twice in one object`)
      names?.add(name)
    }
    last = token
  }
  return value
}
