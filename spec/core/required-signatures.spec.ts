import { gzipSync } from 'node:zlib'
import { expect } from 'chai'
import { digestOf } from '../../src/oci/digest.ts'
import { RegistryError } from '../../src/oci/errors.ts'
import { OCI_CONFIG } from '../../src/oci/media-types.ts'
import { plugin } from '../support/plugins.ts'
import { type CoreRegistry, MIB, registries, tarOf } from '../support/registry.ts'
import { signer } from '../support/signer.ts'

const FILE = plugin('libmemflow_coredump-0.2.0.x86_64.so').bytes

/** The plugin after what the search does not go through. */
const behind = (entries: number) =>
  tarOf({
    ...Object.fromEntries(Array.from({ length: entries }, (_, i) => [`f${i}`, Buffer.alloc(0)])),
    plugin: FILE,
  })

/** An archive in which the type of the plugin's entry is another one. */
async function typed(type: string): Promise<Buffer> {
  const archive = await tarOf({ plugin: FILE })
  archive.write(type, 156, 'latin1')
  archive.fill(' ', 148, 156)
  const sum = archive.subarray(0, 512).reduce((total, byte) => total + byte, 0)
  archive.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148)
  return archive
}

describe('core: required signatures', () => {
  const open = registries()
  const alice = signer()
  let registry: CoreRegistry

  before(async () => {
    registry = await open({
      ownStore: true,
      keys: alice.pem,
      policy: { requireSignature: true, maxPluginSize: MIB },
    })
  })

  const push = async (layer: Uint8Array, more: object = {}): Promise<string> => {
    const content = await registry.pushBlob('a', layer)
    try {
      await registry.pushImage('a', 'v1', [content], more)
      return 'stored'
    } catch (error) {
      if (!(error instanceof RegistryError) || error.error !== 'SIGNATURE_INVALID') throw error
      return error.message
    }
  }

  const archive = Buffer.from('an archive that the head below stands for')
  for (const [name, layer, reason] of [
    ['past the entries of the budget', async () => behind(1001), /1000 entries/],
    ['past the entries of the budget, compressed', async () => gzipSync(await behind(1001)), /1000 entries/],
    [
      'behind more bytes than the budget has',
      async () => gzipSync(await tarOf({ zeros: Buffer.alloc(5 * MIB), plugin: FILE }), { level: 9 }),
      /unpacks to more than/,
    ],
    [
      'larger than binaries that are searched',
      () => Buffer.concat([FILE, Buffer.alloc(MIB)]),
      /binary of more than/,
    ],
    [
      'in an archive, and larger than binaries that are searched',
      () => tarOf({ plugin: Buffer.concat([FILE, Buffer.alloc(MIB)]) }),
      /binary in the archive has more than/,
    ],
    ['in an archive as an entry of another type', () => typed('7'), /no regular file/],
    ['in an archive as an entry of an unknown type', () => typed('Q'), /no regular file/],
    ['in an archive as a sparse file', () => typed('S'), /sparse/],
    ['compressed without an archive', () => gzipSync(FILE), /damaged/],
    [
      'in an archive behind damage',
      async () => Buffer.concat([await behind(0), Buffer.alloc(512, 1)]),
      /damaged/,
    ],
    ['in a zip', () => Buffer.concat([Buffer.from('PK\x03\x04'), archive]), /a zip; only tar/],
    ['in an xz', () => Buffer.concat([Buffer.from('fd377a585a000004', 'hex'), archive]), /an xz; only tar/],
    ['in a zstd', () => Buffer.concat([Buffer.from('28b52ffd0458', 'hex'), archive]), /a zstd; only tar/],
  ] as [string, () => Uint8Array | Promise<Uint8Array>, RegExp][]) {
    it(`refuse a plugin ${name}, and say why`, async () => {
      const message = await push(await layer())
      expect(message).to.match(/^Signature error: /)
      expect(message).to.match(reason)
    })
  }

  it('refuse a layer that is not here, which a sparse manifest may name', async () => {
    const sparse = await open({
      ownStore: true,
      keys: alice.pem,
      policy: { requireSignature: true, sparseManifests: true },
    })
    const absent = { mediaType: 'application/octet-stream', digest: digestOf(FILE), size: FILE.length }
    const error = await sparse.pushImage('a', 'v1', [absent]).catch((thrown: unknown) => thrown)
    expect(error).to.be.instanceOf(RegistryError).and.include({ error: 'SIGNATURE_INVALID' })
  })

  it('refuse the same manifest again when the verdict on its layer is known', async () => {
    const layer = await behind(1002)
    for (const _ of [1, 2]) expect(await push(layer)).to.match(/1000 entries/)
  })

  it('take what is searched whole, and what is no archive', async () => {
    for (const layer of [Buffer.from('text'), await tarOf({ a: Buffer.from('text') }), Buffer.alloc(0)])
      expect(await push(layer)).to.equal('stored')
  })

  it('take a container image, which is not searched, and list nothing of it', async () => {
    const config = { ...(await registry.pushBlob('a', '{}')), mediaType: OCI_CONFIG }
    expect(await push(FILE, { config })).to.equal('stored')
    expect(await push(gzipSync(FILE), { config })).to.equal('stored')
    expect(await registry.names()).to.deep.equal([])
  })

  it('without the setting, such artifacts are stored, and nothing of them is listed', async () => {
    const lenient = await open({ ownStore: true, keys: alice.pem })
    await lenient.pushImage('a', 'v1', [await lenient.pushBlob('a', await behind(1001))])
    await lenient.pushImage('a', 'v2', [await lenient.pushBlob('a', gzipSync(FILE))])
    await lenient.pushPlugin('a', 'v3', FILE)
    expect(await lenient.names()).to.deep.equal([])
  })
})
