import type { VariantFilter } from '../../core/variants.ts'
import { RegistryError } from '../../oci/errors.ts'
import { ARCHITECTURES } from '../../plugin/descriptor.ts'
import { InvalidValue, parseInteger } from './integer.ts'

export interface VariantQuery {
  readonly filter: VariantFilter
  /** Of 64 bits, as the original's. */
  readonly skip: bigint
  readonly limit: number
}

const DEFAULT_LIMIT = 5
const MAX_LIMIT = 50

const FILE_TYPES = ['pe', 'elf', 'mach'] as const

type Draft = { -readonly [Key in keyof VariantFilter]: VariantFilter[Key] } & {
  skip?: bigint
  limit?: bigint
}

/** The parameters of GET /plugins/{name}. */
const FIELDS: Record<string, (text: string, into: Draft) => void> = {
  version: (text, into) => {
    into.version = text
  },
  memflow_plugin_version: (text, into) => {
    into.abi = Number(parseInteger(text, -(2n ** 31n), 2n ** 31n - 1n))
  },
  file_type: (text, into) => {
    into.fileType = variant(text, FILE_TYPES, FILE_TYPES)
  },
  architecture: (text, into) => {
    // The one that carries a number, which the original knew and no query can spell.
    if (text === 'unknown') throw refused('architecture.unknown: expected unit variant')
    into.architecture = variant(text, ARCHITECTURES, ['unknown', ...ARCHITECTURES])
  },
  digest: narrow,
  digest_short: narrow,
  skip: (text, into) => {
    into.skip = parseInteger(text, 0n, 2n ** 64n - 1n)
  },
  limit: (text, into) => {
    into.limit = parseInteger(text, 0n, 2n ** 64n - 1n)
  },
}

/**
 * Reads the query in its order; the first bad value is what is complained of, in the words of the original server.
 * Throws `BAD_REQUEST`.
 */
export function parseQuery(query: string): VariantQuery {
  const draft: Draft = {}
  const seen = new Set<string>()
  for (const [name, text] of new URLSearchParams(query)) {
    const field = Object.hasOwn(FIELDS, name) ? FIELDS[name] : undefined
    if (!field) continue
    if (seen.has(name)) throw refused(`duplicate field \`${name}\``)
    seen.add(name)
    try {
      field(text, draft)
    } catch (error) {
      throw error instanceof InvalidValue ? refused(`${name}: ${error.message}`) : error
    }
  }
  const { skip = 0n, limit = BigInt(DEFAULT_LIMIT), ...filter } = draft
  return { filter, skip, limit: limit > MAX_LIMIT ? MAX_LIMIT : Number(limit) }
}

/** Both parameters name how a digest begins; where they disagree, no digest does. */
function narrow(text: string, into: Draft): void {
  const digits = text.replace(/^sha256:/, '')
  const other = into.digest ?? ''
  into.digest = digits.startsWith(other) ? digits : other.startsWith(digits) ? other : 'none'
}

function variant<T extends string>(text: string, known: readonly T[], named: readonly string[]): T {
  const found = known.find(one => one === text)
  if (found) return found
  throw new InvalidValue(
    `unknown variant \`${text}\`, expected one of ${named.map(name => `\`${name}\``).join(', ')}`,
  )
}

function refused(reason: string): RegistryError {
  return new RegistryError('BAD_REQUEST', { message: `Failed to deserialize query string: ${reason}` })
}
