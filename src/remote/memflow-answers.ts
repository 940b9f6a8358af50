import { parseRfc3339 } from '../lib/clock.ts'
import type { Architecture, PluginDescriptor } from '../plugin/descriptor.ts'
import type { RemoteVariant } from './contract.ts'

/** Reads the value at a place such as `plugins[3].digest` of an answer. Throws a `SyntaxError` that names the place. */
export type Reader<T> = (value: unknown, place: string) => T

const text = where<string>(value => typeof value === 'string' && value.length <= 4096)
const digest = where<string>(value => typeof value === 'string' && /^[0-9a-f]{64}$/.test(value))
// In DER a signature of secp256k1 has at most 72 bytes.
const signature = where<string>(value => typeof value === 'string' && /^(?:[0-9a-f]{2}){8,72}$/i.test(value))
const naiveTime = where<string>(value => typeof value === 'string' && parseRfc3339(`${value}Z`) !== undefined)
const int32 = where<number>(value => typeof value === 'number' && (value | 0) === value)
const knownMachine = oneOf('x86', 'x86_64', 'arm', 'arm64')
const machine = object({ unknown: where<number>(value => Number.isSafeInteger(value)) })
const architecture: Reader<Architecture> = (value, place) =>
  typeof value === 'string' ? knownMachine(value, place) : machine(value, place)

const descriptor: Reader<PluginDescriptor> = object({
  plugin_kind: oneOf('connector', 'os'),
  export_name: text,
  file_type: oneOf('pe', 'elf', 'mach'),
  architecture,
  plugin_version: int32,
  name: text,
  version: text,
  description: text,
})

/** GET /plugins */
export const readNames = object({ plugins: listOf(object({ name: text, description: text })) })

/** GET /plugins/{name} */
export const readVariants = object({
  plugins: listOf<RemoteVariant>(object({ digest, signature, created_at: naiveTime, descriptor })),
})

/** GET /files/{digest}/metadata */
export const readMetadata = object({
  digest,
  signature,
  created_at: naiveTime,
  descriptors: listOf(descriptor),
})

/** The fields, and nothing that is beside them. */
function object<T>(fields: { readonly [Key in keyof T]: Reader<T[Key]> }): Reader<T> {
  const names = Object.keys(fields) as (keyof T & string)[]
  return (value, place) => {
    if (typeof value !== 'object' || value === null) throw unexpected(place)
    const read = names.map(name => {
      const field = Object.hasOwn(value, name) ? (value as Record<string, unknown>)[name] : undefined
      return [name, fields[name](field, place === '' ? name : `${place}.${name}`)]
    })
    return Object.fromEntries(read) as T
  }
}

function listOf<T>(entry: Reader<T>): Reader<T[]> {
  return (value, place) => {
    if (!Array.isArray(value)) throw unexpected(place)
    return value.map((one, i) => entry(one, `${place}[${i}]`))
  }
}

function oneOf<T extends string>(...known: readonly T[]): Reader<T> {
  return where<T>(value => known.some(one => one === value))
}

function where<T>(fits: (value: unknown) => boolean): Reader<T> {
  return (value, place) => {
    if (fits(value)) return value as T
    throw unexpected(place)
  }
}

function unexpected(place: string): SyntaxError {
  return new SyntaxError(`${place || 'it'} is not what memflow's REST API has there`)
}
