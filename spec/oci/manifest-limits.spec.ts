import { expect } from 'chai'
import { digestOf } from '../../src/oci/digest.ts'
import type { RegistryError } from '../../src/oci/errors.ts'
import { MAX_MANIFEST_BYTES, parseManifest } from '../../src/oci/manifest.ts'

const descriptor = (n: number, more: object = {}) => ({
  mediaType: 'application/octet-stream',
  digest: digestOf(`${n}`),
  size: 1,
  ...more,
})
const many = <T>(count: number, make: (n: number) => T): T[] =>
  Array.from({ length: count }, (_, n) => make(n))
const annotations = (count: number, value = '') =>
  Object.fromEntries(many(count, n => [`org.example.key-${n}`, value]))
const image = (more: object) => ({ schemaVersion: 2, config: descriptor(0), layers: [], ...more })
const index = (more: object) => ({ schemaVersion: 2, manifests: [], ...more })
const bytesOf = (document: object | string) =>
  Buffer.from(typeof document === 'string' ? document : JSON.stringify(document))

const TOO_LARGE: Record<string, [document: object | string, words: RegExp, limit: number, found: number]> = {
  layers: [image({ layers: many(5001, n => descriptor(n)) }), /entries in layers/, 5000, 5001],
  'entries of an index': [
    index({ manifests: many(5001, n => descriptor(n)) }),
    /entries in manifests/,
    5000,
    5001,
  ],
  'annotations of the manifest': [
    image({ annotations: annotations(1001) }),
    /annotations in one object/,
    1000,
    1001,
  ],
  'annotations of a layer': [
    image({ layers: [descriptor(1, { annotations: annotations(1001) })] }),
    /annotations in one object/,
    1000,
    1001,
  ],
  'annotations of the config': [
    image({ config: descriptor(0, { annotations: annotations(1001) }) }),
    /annotations in one object/,
    1000,
    1001,
  ],
  'annotations in all': [
    image({ layers: many(51, n => descriptor(n, { annotations: annotations(1000) })) }),
    /more annotations than/,
    50_000,
    51_000,
  ],
  'bytes of annotations beside a subject': [
    image({ subject: descriptor(1), annotations: { a: 'x'.repeat(256 * 1024) } }),
    /bytes of annotations beside a subject/,
    256 * 1024,
    256 * 1024 + 8,
  ],
  'values of a field that nobody knows': [
    `{"schemaVersion":2,"x":[${'0,'.repeat(200_000)}0]}`,
    /more than 100000 values/,
    100_000,
    200_003,
  ],
}

const TAKEN: Record<string, object> = {
  '5,000 layers': image({ layers: many(5000, n => descriptor(n)) }),
  '5,000 entries of an index with nine annotations each': index({
    manifests: many(5000, n => descriptor(n, { annotations: annotations(9) })),
  }),
  '1,000 annotations': image({ annotations: annotations(1000) }),
  'nearly 4 MiB in one annotation': image({ annotations: { a: 'x'.repeat(MAX_MANIFEST_BYTES - 1024) } }),
  'nearly 4 MiB of data': image({ layers: [descriptor(1, { data: 'x'.repeat(MAX_MANIFEST_BYTES - 1024) })] }),
  'nearly 256 KiB of annotations beside a subject': image({
    subject: descriptor(1),
    annotations: { a: 'x'.repeat(256 * 1024 - 100) },
  }),
}

const COSTLY: Record<string, string> = {
  '4 MiB of open arrays': '['.repeat(MAX_MANIFEST_BYTES),
  '2 MiB of nested arrays in a field': `{"a":${'['.repeat(2 ** 20)}${']'.repeat(2 ** 20)}}`,
  '300,000 annotations': JSON.stringify(image({ annotations: annotations(150_000) })),
  '30,000 layers': JSON.stringify(image({ layers: many(30_000, n => descriptor(n)) })),
  'two million numbers': `{"a":[${'1,'.repeat(2_000_000)}1]}`,
}

function refusal(bytes: Uint8Array): RegistryError | undefined {
  try {
    parseManifest(bytes, undefined)
    return undefined
  } catch (error) {
    return error as RegistryError
  }
}

describe('oci/manifest-limits', () => {
  for (const [what, [document, words, limit, found]] of Object.entries(TOO_LARGE)) {
    it(`parseManifest refuses too many ${what} with 413, the limit and what was found`, () => {
      const error = refusal(bytesOf(document))
      expect(error).to.include({ error: 'MANIFEST_TOO_LARGE', status: 413 })
      expect(error?.message).to.match(words)
      expect(error?.detail).to.deep.equal({ limit, found })
    })
  }

  for (const [what, document] of Object.entries(TAKEN)) {
    it(`parseManifest takes ${what}`, () => {
      expect(refusal(bytesOf(document))).to.equal(undefined)
    })
  }

  for (const [what, text] of Object.entries(COSTLY)) {
    it(`parseManifest refuses ${what} before it parses them`, () => {
      const bytes = Buffer.from(text)
      const began = process.cpuUsage()
      expect(refusal(bytes)).not.to.equal(undefined)
      const { user, system } = process.cpuUsage(began)
      // A scan takes 20 ms. To parse and check these took whole seconds.
      expect((user + system) / 1000, 'milliseconds of the processor').to.be.below(200)
    })
  }

  it('an error of a manifest echoes no more than a line of what was sent', () => {
    for (const mediaType of ['a/'.repeat(100_000), ['x'.repeat(100_000)]]) {
      for (const type of [undefined, 'application/json']) {
        const bytes = bytesOf(image({ mediaType }))
        try {
          parseManifest(bytes, type)
          expect.fail('it was taken')
        } catch (error) {
          expect(
            JSON.stringify([(error as RegistryError).message, (error as RegistryError).detail]).length,
          ).to.be.below(1000)
        }
      }
    }
  })
})
