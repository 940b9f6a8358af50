import { expect } from 'chai'
import { WorkerDocuments } from '../../src/documents/pool.ts'
import { digestOf } from '../../src/oci/digest.ts'
import { DOCUMENTS_HERE, type Documents } from '../../src/oci/documents.ts'
import type { RegistryError } from '../../src/oci/errors.ts'
import { OCI_MANIFEST } from '../../src/oci/media-types.ts'
import { MANIFEST_JSON } from '../../src/oci/strict-json.ts'

const many = <T>(count: number, make: (n: number) => T): T[] =>
  Array.from({ length: count }, (_, n) => make(n))
const descriptor = (n: number) => ({
  mediaType: 'application/octet-stream',
  digest: digestOf(`${n}`),
  size: n,
  annotations: { title: `läyer ${n}` },
})
const manifest = (layers: number, more: object = {}) =>
  Buffer.from(
    JSON.stringify({ schemaVersion: 2, config: descriptor(0), layers: many(layers, descriptor), ...more }),
  )
const index = (entries: number) =>
  Buffer.from(JSON.stringify({ schemaVersion: 2, manifests: many(entries, descriptor) }))

const DOCUMENTS: Record<string, Buffer> = {
  'a small manifest': manifest(2),
  'a manifest of 5,000 layers': manifest(5000),
  'an index of 5,000 entries': index(5000),
  'a manifest with 4 MiB in one annotation': manifest(1, { annotations: { a: 'ä'.repeat(2_000_000) } }),
  'a manifest with fields that nobody knows': manifest(500, {
    more: [1, 'a', { b: [null] }],
    list: many(50_000, n => n),
  }),
  'a manifest of too many layers': manifest(5001),
  'a manifest that breaks the schema': manifest(500, {
    layers: [...many(500, descriptor), { ...descriptor(1), size: -1 }],
  }),
  'a large document that is nested too deep': Buffer.from('['.repeat(100_000)),
  'a large document with a name that stands twice': Buffer.from(`{"a":1,"b":"${'x'.repeat(100_000)}","a":2}`),
  'a large list': Buffer.from(`[${'0,'.repeat(50_000)}0]`),
  'bytes that are no UTF-8': Buffer.alloc(100_000, 0xff),
}

describe('documents/pool', () => {
  let documents: WorkerDocuments

  before(() => {
    documents = new WorkerDocuments()
  })

  after(() => documents.close())

  const outcome = async (work: Promise<unknown>) => {
    try {
      return await work
    } catch (error) {
      const { error: name, message, detail } = error as RegistryError
      return { name, message, detail }
    }
  }

  for (const [what, bytes] of Object.entries(DOCUMENTS)) {
    it(`a worker thread makes the same of ${what} as the calling thread`, async () => {
      const asManifest = (by: Documents) => outcome(by.manifest(bytes, undefined, 'a'))
      const asObject = (by: Documents) => outcome(by.object(bytes, MANIFEST_JSON, 'a'))
      expect(await asManifest(documents)).to.deep.equal(await asManifest(DOCUMENTS_HERE))
      expect(await asObject(documents)).to.deep.equal(await asObject(DOCUMENTS_HERE))
    })
  }

  it('groups take turns: one with many documents does not hold up another', async () => {
    const order: string[] = []
    const ask = (group: string) =>
      documents.manifest(manifest(400), undefined, group).then(() => order.push(group))
    await Promise.all([...many(10, () => ask('many')), ask('few')])
    expect(order.indexOf('few')).to.be.below(3)
  })

  it('a manifest that is stored already comes before those that wait, and is never refused', async () => {
    const narrow = new WorkerDocuments(undefined, 100_000)
    const order: string[] = []
    const bytes = manifest(400)
    const pushes = many(2, n => narrow.manifest(bytes, undefined, 'a').then(() => order.push(`pushed ${n}`)))
    const stored = many(3, n => narrow.stored(bytes, OCI_MANIFEST).then(() => order.push(`stored ${n}`)))
    await Promise.all([...pushes, ...stored])
    expect(order).to.deep.equal(['pushed 0', 'stored 0', 'stored 1', 'stored 2', 'pushed 1'])
    await narrow.close()
  })

  it('a stored manifest that is beyond the limits of today is read all the same', async () => {
    expect(await documents.stored(manifest(6000), OCI_MANIFEST))
      .to.have.property('layers')
      .with.lengthOf(6000)
  })

  it('refuses a document while too many bytes wait, and takes it later', async () => {
    const narrow = new WorkerDocuments(undefined, 100_000)
    const bytes = manifest(400)
    const [working, waiting, refused] = await Promise.all(
      many(3, () => outcome(narrow.manifest(bytes, undefined, 'a'))),
    )
    expect(working).to.have.property('kind', 'image')
    expect(waiting).to.have.property('kind', 'image')
    expect(refused).to.have.property('name', 'TOOMANYREQUESTS')
    expect(await narrow.manifest(bytes, undefined, 'a')).to.have.property('kind', 'image')
    await narrow.close()
  })

  it('refuses a document that needs more time than the limit, and goes on with another thread', async () => {
    const hasty = new WorkerDocuments({ time: 1, memory: 192, start: 30_000 })
    // It takes a quarter of a second of the processor to find the name.
    const names = many(99_000, n => `"${n}":0`).join(',')
    const refused = await outcome(hasty.manifest(Buffer.from(`{${names},"0":0}`), undefined, 'a'))
    expect(refused).to.have.property('name', 'MANIFEST_TOO_LARGE')
    expect(refused)
      .to.have.property('message')
      .that.matches(/takes more than 1 ms/)
    await hasty.close()
  })
})
