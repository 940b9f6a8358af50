import { type Host, KNOWN_ARCHITECTURES, KNOWN_OS, parseArchitecture, parseOs } from '../../core/host.ts'
import { RegistryError } from '../../oci/errors.ts'
import { InvalidValue, parseInteger } from './integer.ts'

export interface HostQuery {
  readonly host: Host
  readonly skip: number
  readonly limit: number
}

const MAX_LIMIT = 50
const MAX_LIBRARIES = 256

type Draft = { -readonly [Key in keyof Host]: Host[Key] } & { skip?: number; limit?: number }

/** The parameters of GET /plugins/{name}/compatible. */
const FIELDS: Readonly<Record<string, (text: string, into: Draft) => void>> = {
  os: (text, into) => {
    into.os = parseOs(text) ?? refuse(`\`${text}\` is none of ${KNOWN_OS.join(', ')}`)
  },
  arch: (text, into) => {
    into.architecture =
      parseArchitecture(text) ?? refuse(`\`${text}\` is none of ${KNOWN_ARCHITECTURES.join(', ')}`)
  },
  abi: (text, into) => {
    into.abi = Number(parseInteger(text, -(2n ** 31n), 2n ** 31n - 1n))
  },
  memflow: (text, into) => {
    into.memflow = matching(text, /^\d{1,5}\.\d{1,5}\.\d{1,5}(-[0-9A-Za-z.]{1,32})?$/, 'a version like 0.2.4')
  },
  libc: (text, into) => {
    into.libc = text === 'glibc' || text === 'musl' ? text : refuse(`\`${text}\` is none of glibc, musl`)
  },
  glibc: (text, into) => {
    into.glibc = matching(text, /^\d{1,4}\.\d{1,4}(\.\d{1,4})?$/, 'a version like 2.31')
  },
  libraries: (text, into) => {
    const names = text.split(',').filter(name => name !== '')
    if (names.length > MAX_LIBRARIES) refuse(`more than ${MAX_LIBRARIES} names`)
    into.libraries = names
  },
  skip: (text, into) => {
    into.skip = Number(parseInteger(text, 0n, 2n ** 32n - 1n))
  },
  limit: (text, into) => {
    into.limit = Math.min(Number(parseInteger(text, 1n, 2n ** 32n - 1n)), MAX_LIMIT)
  },
}

/**
 * Reads the query in its order. A parameter that is not known is refused: what it asks for would not have been judged.
 * Throws `BAD_REQUEST`.
 */
export function parseHostQuery(query: string): HostQuery {
  const draft: Draft = {}
  const seen = new Set<string>()
  for (const [name, text] of new URLSearchParams(query)) {
    const field = Object.hasOwn(FIELDS, name) ? FIELDS[name] : undefined
    if (!field) throw bad(`unknown parameter \`${name}\`, expected one of ${Object.keys(FIELDS).join(', ')}`)
    if (seen.has(name)) throw bad(`\`${name}\` is given twice`)
    seen.add(name)
    try {
      field(text, draft)
    } catch (error) {
      throw error instanceof InvalidValue ? bad(`${name}: ${error.message}`) : error
    }
  }
  const { skip = 0, limit = MAX_LIMIT, ...host } = draft
  if (host.glibc === undefined) return { host, skip, limit }
  if (host.libc === 'musl') throw bad('glibc: a system with musl has no glibc')
  return { host: { ...host, libc: 'glibc' }, skip, limit }
}

function matching(text: string, form: RegExp, expected: string): string {
  return form.test(text) ? text : refuse(`\`${text}\` is not ${expected}`)
}

function refuse(reason: string): never {
  throw new InvalidValue(reason)
}

function bad(message: string): RegistryError {
  return new RegistryError('BAD_REQUEST', { message })
}
