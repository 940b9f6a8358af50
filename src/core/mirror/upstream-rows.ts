import { del, type Index, type Op, put, type Reader, type Table } from '../../index/contract.ts'
import { descendingI32, descendingNanos, encodeKey } from '../../index/keys.ts'
import { UPSTREAM_LISTS, UPSTREAM_NAMES, UPSTREAM_VARIANTS } from '../../index/upstream-tables.ts'
import { naiveDateTime, parseRfc3339 } from '../../lib/clock.ts'
import { isSound } from '../../plugin/descriptor.ts'
import type { RemoteVariant } from '../../remote/contract.ts'
import type { Parts } from '../parts.ts'
import type { Named } from '../variants.ts'

/** Rows of one step, which takes some milliseconds. */
const STEP = 1000

/**
 * Applies the changes of a list, the row that says when it was checked as the last one: a list that was renewed in part
 * is renewed again.
 */
export async function applyInSteps(index: Index, changes: readonly Op[]): Promise<void> {
  for (let at = 0; at < changes.length; at += STEP) await index.apply(changes.slice(at, at + STEP))
}

/** What changes when an upstream says at that time, in nanoseconds, that these are its names. */
export async function namesChanges(
  { index: reader }: Parts,
  mirror: string,
  names: readonly Named[],
  now: bigint,
): Promise<Op[]> {
  // What has other texts would be refused when it comes.
  const rows = names
    .filter(isSound)
    .map(({ name, description }) => put(UPSTREAM_NAMES, [mirror, name], { name, description }))
  const checked = put(UPSTREAM_LISTS, [mirror, ''], { checked: now.toString() })
  return [...(await replaced(reader, UPSTREAM_NAMES, [mirror], rows)), checked]
}

/** The same of its variants of a plugin; nothing is kept of a plugin that it does not have. */
export async function variantsChanges(
  { index: reader, verifier }: Parts,
  mirror: string,
  name: string,
  variants: readonly RemoteVariant[],
  now: bigint,
): Promise<Op[]> {
  const nth = new Map<string, number>()
  const sound = variants.filter(({ descriptor }) => isSound(descriptor))
  const rows = sound.map(({ digest, signature, created_at, descriptor }) => {
    const position = nth.get(digest) ?? 0
    nth.set(digest, position + 1)
    const created = parseRfc3339(`${created_at}Z`) ?? 0n
    const place = [
      descendingI32(descriptor.plugin_version),
      descendingNanos(created),
      digest,
      position.toString(16).padStart(4, '0'),
    ] as const
    const row = {
      digest,
      signature: verifier.normal(signature),
      created_at: naiveDateTime(created),
      descriptor,
    }
    return put(UPSTREAM_VARIANTS, [mirror, name, ...place], row)
  })
  const changes = await replaced(reader, UPSTREAM_VARIANTS, [mirror, name], rows)
  if (variants.length > 0)
    return [...changes, put(UPSTREAM_LISTS, [mirror, name], { checked: now.toString() })]
  return (await reader.get(UPSTREAM_LISTS, mirror, name))
    ? [...changes, del(UPSTREAM_LISTS, [mirror, name])]
    : changes
}

/** What makes these the only rows of the table under those parts; a row that stays as it is is no change. */
async function replaced(
  reader: Reader,
  table: Table<readonly string[], unknown>,
  parts: readonly string[],
  rows: readonly Op[],
): Promise<Op[]> {
  const changes = new Map(rows.map(op => [encodeKey(table.prefix, op.key), op]))
  for await (const { key, row } of reader.scan(table, parts)) {
    const encoded = encodeKey(table.prefix, key)
    const change = changes.get(encoded)
    if (!change) changes.set(encoded, del(table, key))
    else if (JSON.stringify(change.row) === JSON.stringify(row)) changes.delete(encoded)
  }
  return [...changes.values()]
}
