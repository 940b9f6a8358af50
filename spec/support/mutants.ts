import fc from 'fast-check'
import { type PluginFile, plugin } from './plugins.ts'

/** Where a file is more than padding: flipping zeros in the middle of zeros shows nothing. */
export function busyBytes(bytes: Uint8Array): number[] {
  const offsets = [...bytes.keys()]
  return offsets.filter(at => bytes.subarray(Math.max(0, at - 4), at + 5).some(byte => byte !== 0))
}

/** The files with one to six of their numbers wrong. */
export function mutantsOf(files: readonly PluginFile[]): fc.Arbitrary<Uint8Array> {
  const words = fc.oneof(
    fc.constantFrom(0, 1, 0x7fffffff, 0x80000000, 0xffffffff, 0xfffffff8),
    fc.integer({ min: 0, max: 0x5000 }),
  )
  const samples = files.map(file => {
    const { bytes } = plugin(file)
    return { bytes, places: busyBytes(bytes) }
  })
  return fc.constantFrom(...samples).chain(({ bytes, places }) =>
    fc.array(fc.tuple(fc.constantFrom(...places), words), { minLength: 1, maxLength: 6 }).map(changes => {
      const file = Buffer.concat([bytes, Buffer.alloc(4)])
      for (const [at, word] of changes) file.writeUInt32LE(word, at)
      return file.subarray(0, bytes.length)
    }),
  )
}
