import { table, type VariantRow } from './tables.ts'

/* Neither truth nor derived of it: an index made anew begins without. */

/** When mirrored content was last used, in periods of core/mirror/usage.ts since 1970. */
export const USED = table<[digest: string], { readonly period: number }>('used')

/* What memflow upstreams have said that they list; they are asked again. */

/** A list that is known: an upstream's variants of a plugin, or, under the name '', its names. */
export const UPSTREAM_LISTS = table<
  [mirror: string, name: string],
  /** When the upstream said so, nanoseconds since 1970, in digits. */
  { readonly checked: string }
>('upstream')

export const UPSTREAM_NAMES = table<
  [mirror: string, name: string],
  { readonly name: string; readonly description: string }
>('upstream-name')

/** In the order of the answer; a row once, so filters are looked for by reading. */
export const UPSTREAM_VARIANTS = table<
  [mirror: string, name: string, abi: string, created: string, digest: string, nth: string],
  VariantRow
>('upstream-variant')
