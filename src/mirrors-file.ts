import { Ajv, type ErrorObject } from 'ajv'
import { parsePlainUrl } from './lib/plain-url.ts'
import { DURATION, parseDuration, parseSize, SIZE } from './lib/units.ts'
import { parseRepository } from './oci/name.ts'
import { parseStrictJson } from './oci/strict-json.ts'

/** An entry of the file: what is left out, or null, has its default. */
export interface MirrorEntry {
  readonly name: string
  readonly kind: 'oci' | 'memflow'
  readonly url: string
  readonly [field: string]: unknown
}

/** How messages call what `parsePlainUrl` takes. */
export const PLAIN_URL = 'a URL such as https://registry.example.org, without credentials'

/** What a text in the file can be, and how a message calls it. */
const FORMATS = {
  name: { expected: 'a short name of letters, digits, . _ and -', valid: matches(/^[\w.-]{1,64}$/) },
  url: {
    expected: PLAIN_URL,
    valid: holds(parsePlainUrl),
  },
  namespace: {
    expected: 'a registry’s host such as docker.io',
    valid: matches(/^[A-Za-z0-9][\w.:-]{0,254}$/),
  },
  prefix: {
    expected: 'the first part of repositories’ names, such as docker.io',
    valid: passes(parseRepository),
  },
  duration: { expected: DURATION, valid: holds(parseDuration) },
  size: { expected: SIZE, valid: holds(parseSize) },
  pattern: { expected: 'a regular expression', valid: passes(text => new RegExp(text, 'u')) },
} as const

const text = { type: 'string', nullable: true }
const of = (format: keyof typeof FORMATS) => ({ ...text, format })
const listOf = (items: object) => ({ type: 'array', nullable: true, items })

const FIELDS = {
  name: { type: 'string', format: 'name' },
  kind: { enum: ['oci', 'memflow'] },
  url: { type: 'string', format: 'url' },
  namespace: of('namespace'),
  prefix: of('prefix'),
  username: text,
  password: text,
  passwordEnv: text,
  passwordFile: text,
  publicKeyFile: text,
  tagTtl: of('duration'),
  negativeTtl: of('duration'),
  connectTimeout: of('duration'),
  idleTimeout: of('duration'),
  maxBlobSize: of('size'),
  immutableTags: listOf({ type: 'string', format: 'pattern' }),
  allow: listOf({ type: 'string' }),
  deny: listOf({ type: 'string' }),
  trustedRealms: listOf({ type: 'string', format: 'url' }),
  allowPrivateAddresses: { type: 'boolean', nullable: true },
  caFile: text,
}

/** Fields that have a meaning for the other kind only. */
const FOREIGN = { oci: ['publicKeyFile'], memflow: ['namespace', 'prefix', 'immutableTags'] }

const SCHEMA = {
  type: 'object',
  required: ['mirrors'],
  additionalProperties: false,
  properties: {
    mirrors: {
      type: 'array',
      items: {
        type: 'object',
        required: ['name', 'kind', 'url'],
        additionalProperties: false,
        properties: FIELDS,
      },
    },
  },
}

/** The entries of a mirrors file. Throws an error that says where it is wrong, and what is expected there. */
export function parseMirrorsFile(text: string): MirrorEntry[] {
  const ajv = new Ajv({ strict: true, verbose: true })
  for (const [name, { valid }] of Object.entries(FORMATS)) ajv.addFormat(name, valid)
  const isFile = ajv.compile<{ mirrors: MirrorEntry[] }>(SCHEMA)
  const document = parseStrictJson(Buffer.from(text))
  if (!isFile(document)) throw new Error(faultOf(isFile.errors?.[0]))
  for (const [i, entry] of document.mirrors.entries()) {
    const foreign = FOREIGN[entry.kind].find(field => entry[field] != null)
    if (foreign) throw new Error(`mirrors[${i}].${foreign} has no meaning for a mirror of kind ${entry.kind}`)
  }
  return document.mirrors
}

/** Where the file is wrong, and what it should be there. */
function faultOf(fault: ErrorObject | undefined): string {
  const parts = (fault?.instancePath ?? '').split('/').slice(1)
  const path = parts
    .map((part, i) => (/^\d+$/.test(part) ? `[${part}]` : `${i > 0 ? '.' : ''}${part}`))
    .join('')
  const unknown = fault?.params.additionalProperty as string | undefined
  const expected = FORMATS[fault?.parentSchema?.format as keyof typeof FORMATS]?.expected
  const place = path || 'the document'
  if (unknown !== undefined) return `${place} has the unknown field ${unknown}`
  if (expected) return `${path}: ${shown(fault?.data)} is not ${expected}`
  if (fault?.keyword === 'enum')
    return `${path}: ${shown(fault.data)} is not one of ${fault.params.allowedValues.join(', ')}`
  return `${place} ${fault?.message}`
}

/** A value as messages show it; they may go into logs, where no credentials belong. */
export function shown(value: unknown): string {
  return JSON.stringify(value).replace(/\/\/[^/@]*@/, '//…@')
}

function matches(pattern: RegExp): (text: string) => boolean {
  return text => pattern.test(text)
}

function holds(parse: (text: string) => unknown): (text: string) => boolean {
  return text => parse(text) !== undefined
}

function passes(check: (text: string) => unknown): (text: string) => boolean {
  return text => {
    try {
      check(text)
      return true
    } catch {
      return false
    }
  }
}
