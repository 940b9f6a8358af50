// Written again from the spec's text, not imported from src: the oracle must not share the registry's mistakes.
const NAME = /^[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*(\/[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*)*$/
const TAG = /^[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}$/
const DIGEST = /^(sha256:[a-f0-9]{64}|sha512:[a-f0-9]{128})$/

// Each function gives the reason for which the spec forbids to take a part of a request, or undefined.

/** What the path says once it is decoded; undefined where it moves the borders of the path, so that the oracle is silent. */
function decoded(text: string): string | undefined {
  if (/[/?#\\]|%2f|%5c|^\.{0,2}$/i.test(text)) return undefined
  try {
    return decodeURIComponent(text)
  } catch {
    return '\0'
  }
}

/** The name of the path is outside the grammar. */
export function noName(text: string, tail: string): string | undefined {
  if (text === '{repo}' || tail.includes('..') || /%2e/i.test(tail)) return undefined
  const parts = text.split('/').map(decoded)
  if (parts.includes(undefined)) return undefined
  return NAME.test(parts.join('/')) ? undefined : 'the name is none'
}

/** The reference is neither. */
export function refersTo(text: string): string | undefined {
  const own = decoded(text)
  return own === undefined || TAG.test(own) || DIGEST.test(own)
    ? undefined
    : 'the reference is neither tag nor digest'
}

/** Not a digest of a registered algorithm. */
export function noDigest(text: string): string | undefined {
  const own = decoded(text)
  return own === undefined || own === 'uploads' || DIGEST.test(own) ? undefined : 'the digest is none'
}

/** Not a number of tags. */
export function noCount(text: string): string | undefined {
  return text.includes('&') || text.includes('#') || text.includes(';') || /^\d+$/.test(decoded(text) ?? '0')
    ? undefined
    : 'n is no number of tags'
}

/** Only what no reading of image-spec allows: no JSON object at all. */
export function noManifest(text: string): string | undefined {
  try {
    const value: unknown = JSON.parse(text)
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return undefined
  } catch {}
  return 'the manifest is no JSON object'
}
