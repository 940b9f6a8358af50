/** A write at that position of a file, or a cut to that size. */
export type Edit = { readonly at: number; readonly bytes: Buffer } | { readonly size: number }

/** What a power loss makes of one of the edits that were not synced. */
export type Fate = (edit: Edit, nth: number, of: number) => Edit | undefined

export const KEPT: Fate = edit => edit

/** What may have become of the bytes behind a name that is there. */
export const FATES: Readonly<Record<string, Fate>> = {
  kept: KEPT,
  lost: () => undefined,
  zeroed: onBytes(bytes => Buffer.alloc(bytes.length)),
  garbage: onBytes(bytes => bytes.map((byte, i) => (byte * 31 + i * 17 + 10) & 255)),
  'cut in half': onBytes(bytes => bytes.subarray(0, half(bytes))),
  'the first half zeroed': onBytes(bytes => Buffer.from(bytes).fill(0, 0, half(bytes))),
  'the second half zeroed': onBytes(bytes => Buffer.from(bytes).fill(0, half(bytes))),
  'the first edit lost': (edit, nth) => (nth === 0 ? undefined : edit),
  'the last edit lost': (edit, nth, of) => (nth === of - 1 ? undefined : edit),
  'cuts lost': edit => ('size' in edit ? undefined : edit),
  'only cuts kept': edit => ('size' in edit ? edit : undefined),
}

/** The main ones go with every subset of the names, the others where all names are kept. */
export const MAIN_FATES: readonly string[] = ['kept', 'lost', 'zeroed']

function onBytes(change: (bytes: Buffer) => Uint8Array): Fate {
  return edit => ('at' in edit ? { at: edit.at, bytes: Buffer.from(change(edit.bytes)) } : edit)
}

function half(bytes: Buffer): number {
  return bytes.length >> 1
}
