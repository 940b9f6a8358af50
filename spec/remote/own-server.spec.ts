import { expect } from 'chai'
import { digestOf, hexOf } from '../../src/oci/digest.ts'
import { OCI_INDEX } from '../../src/oci/media-types.ts'
import type { Repository, Tag } from '../../src/oci/name.ts'
import { HttpMemflowUpstream } from '../../src/remote/memflow-upstream.ts'
import { HttpOciUpstream } from '../../src/remote/oci-upstream.ts'
import { upload } from '../support/form.ts'
import { imageManifest, pushArtifact, pushBlob, putManifest } from '../support/oci.ts'
import { plugin } from '../support/plugins.ts'
import { serving } from '../support/server.ts'
import { signer } from '../support/signer.ts'
import { read, remoteError, settingsFor } from '../support/upstream/asking.ts'

const A = 'library/a' as Repository
const V1 = 'v1' as Tag

describe('remote: this registry as upstream', () => {
  const { pem, sign } = signer()
  const { bytes, descriptors } = plugin('libmemflow_coredump-0.2.0.x86_64.so')
  const signature = sign(bytes)
  const registry = serving(() => ({ keys: pem }))

  let oci: HttpOciUpstream
  let rest: HttpMemflowUpstream

  before(async () => {
    oci = new HttpOciUpstream(settingsFor(registry().url))
    rest = new HttpMemflowUpstream(settingsFor(registry().url))
    const subject = await pushArtifact(registry(), A, V1)
    await putManifest(
      registry(),
      A,
      'signed',
      imageManifest([await pushBlob(registry(), A, 'signature')], { subject }),
    )
    const { text } = await registry().write('POST', '/files', upload(bytes, signature))
    expect(text).to.equal('"Added"')
  })

  after(() => Promise.all([oci.close(), rest.close()]))

  it('gives manifests, blobs, lists and referrers to anybody', async () => {
    const { digest, bytes: manifest } = await oci.manifest(A, V1)
    expect(digestOf(manifest)).to.equal(digest)
    expect(await oci.resolve(A, V1)).to.equal(digest)
    expect((await oci.manifest(A, digest)).digest).to.equal(digest)
    const blob = digestOf('content')
    expect(await oci.stat(A, blob)).to.equal(7)
    expect((await read((await oci.blob(A, blob)).body)).toString()).to.equal('content')
    expect((await read((await oci.blob(A, blob, 3)).body)).toString()).to.equal('tent')
    expect(await oci.tags(A, 1)).to.deep.equal({ tags: ['signed'], next: 'signed' })
    expect(await oci.tags(A, 1, 'signed')).to.deep.equal({ tags: ['v1'], next: undefined })
    expect((await oci.referrers(A, digest)).entries).to.have.length(1)
    expect((await oci.repositories(10)).repositories).to.include(A)
    expect((await remoteError(oci.manifest(A, 'absent' as Tag))).failure).to.equal('unknown')
    expect((await remoteError(oci.blob(A, digestOf('absent')))).failure).to.equal('unknown')
  })

  it('gives a plugin by both APIs', async () => {
    const hex = hexOf(digestOf(bytes))
    expect((await rest.names()).map(({ name }) => name)).to.deep.equal(['coredump'])
    const [variant] = await rest.variants('coredump')
    expect(variant).to.deep.include({ digest: hex, signature, descriptor: descriptors[0] })
    expect((await rest.metadata(hex)).descriptors).to.deep.equal(descriptors)
    expect((await read((await rest.file(hex)).body)).equals(Buffer.from(bytes))).to.equal(true)
    const { manifest } = await oci.manifest('coredump' as Repository, 'latest' as Tag)
    expect(manifest.mediaType).to.equal(OCI_INDEX)
  })
})
