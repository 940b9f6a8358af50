import { expect } from 'chai'
import { FolderReader } from '../../../src/archive/folder-reader.ts'
import { FolderWriter } from '../../../src/archive/folder-writer.ts'
import { Backup } from '../../../src/core/backup/backup.ts'
import { backupRows } from '../../../src/core/backup/backup-rows.ts'
import { Restore } from '../../../src/core/backup/restore.ts'
import { type Finding, Fsck } from '../../../src/core/fsck.ts'
import type { Pull } from '../../../src/core/mirror/pull.ts'
import { LINKS, REFERENCES } from '../../../src/index/tables.ts'
import { type Digest, digestOf } from '../../../src/oci/digest.ts'
import { DOCUMENTS_HERE } from '../../../src/oci/documents.ts'
import { DOCKER_MANIFEST, OCI_INDEX, OCI_MANIFEST } from '../../../src/oci/media-types.ts'
import { mirrorsOf, pull } from '../../support/core-mirror.ts'
import { type FaultyUpstream, upstreams } from '../../support/faulty-upstream.ts'
import { EMPTY } from '../../support/oci.ts'
import { refusal } from '../../support/refusal.ts'
import { type CoreRegistry, registries, repo, tag } from '../../support/registry.ts'
import { everything } from '../../support/rows.ts'
import { tmpDir } from '../../support/tmp.ts'

const LAYER = { mediaType: 'text/plain; charset=utf-8', digest: digestOf('a layer'), size: 7 }
const BIG = 'x'.repeat(40_000)
const image = (more: object = {}) => ({ schemaVersion: 2, config: EMPTY, layers: [LAYER], ...more })

/** What upstreams serve that no push may be: the bytes, their Content-Type, and the one that they are served with. */
const ODD: Record<string, [document: object | string, sent: string, served: string]> = {
  'parameters in types': [image({ mediaType: OCI_MANIFEST }), OCI_MANIFEST, OCI_MANIFEST],
  'no layers': [{ schemaVersion: 2, config: EMPTY }, OCI_MANIFEST, OCI_MANIFEST],
  'null for layers, annotations and subject': [
    image({ layers: null, annotations: null, subject: null }),
    OCI_MANIFEST,
    OCI_MANIFEST,
  ],
  'empty strings': [image({ artifactType: '', mediaType: '' }), OCI_MANIFEST, OCI_MANIFEST],
  'a general Content-Type': [image({ mediaType: DOCKER_MANIFEST }), 'application/json', DOCKER_MANIFEST],
  'no media type at all': [image(), 'application/json; charset=utf-8', OCI_MANIFEST],
  'an annotation that stands twice': [
    JSON.stringify(image({ annotations: { a: 'b' } })).replace('"a":"b"', '"a":"b","a":"c"'),
    OCI_MANIFEST,
    OCI_MANIFEST,
  ],
  'an empty platform': [{ schemaVersion: 2, manifests: [{ ...LAYER, platform: {} }] }, OCI_INDEX, OCI_INDEX],
  'another type of manifest': [
    { mediaType: 'application/vnd.oci.artifact.manifest.v1+json', blobs: [LAYER] },
    'application/vnd.oci.artifact.manifest.v1+json',
    'application/vnd.oci.artifact.manifest.v1+json',
  ],
  'more bytes than are parsed at once': [image({ layers: null, custom: BIG }), OCI_MANIFEST, OCI_MANIFEST],
}

describe('core: manifests of an upstream that no push may be', () => {
  const open = registries()
  const start = upstreams()
  const fresh = tmpDir()
  let upstream: FaultyUpstream
  let registry: CoreRegistry

  beforeEach(async () => {
    upstream = await start()
    registry = await open({ ownStore: true, mirrors: mirrorsOf(upstream.url) })
    await registry.collector.begin()
    upstream.content.blob('a layer')
    upstream.content.blob('{}')
  })

  /** Puts the bytes as v1 of `app` there. */
  const put = (document: object | string, mediaType: string): { digest: Digest; text: string } => {
    const text = typeof document === 'string' ? document : JSON.stringify(document)
    const digest = upstream.content.manifest('app', text, 'v1')
    upstream.content.manifests.set(`app@${digest}`, { mediaType, bytes: Buffer.from(text) })
    return { digest, text }
  }

  /** Pulls all odd manifests, each under a tag, with the layer that some of them name. */
  const pullAll = async () => {
    const digests: Digest[] = []
    for (const [i, [document, sent]] of Object.values(ODD).entries()) {
      const { digest } = put(document, sent)
      upstream.content.tags.get('app')?.set(`v${i}`, digest)
      await registry.reads.manifest(repo('app'), tag(`v${i}`))
      digests.push(digest)
    }
    await pull(registry, 'app', LAYER.digest)
    return digests
  }

  for (const [what, [document, sent, served]] of Object.entries(ODD)) {
    it(`${what} -> served byte for byte, by tag and by digest, and again without the upstream`, async () => {
      const { digest, text } = put(document, sent)
      for (const reference of [tag('v1'), digest, tag('v1'), digest]) {
        const answer = await registry.reads.manifest(repo('app'), reference)
        expect(answer).to.include({ digest, mediaType: served })
        expect(Buffer.from(answer.bytes).toString()).to.equal(text)
      }
      expect(upstream.count('manifest')).to.equal(1)
      const pushed = registry.manifests.put(repo('pushed'), digest, Buffer.from(text), sent)
      expect(await refusal(pushed)).to.be.oneOf(['MANIFEST_INVALID', 'MANIFEST_BLOB_UNKNOWN'])
    })
  }

  it('what is no JSON object is refused', async () => {
    for (const text of ['[]', '{', '"manifest"', '{"a":"\ufffd"'.replace('\ufffd', '\ud800')]) {
      upstream.content.manifest('app', image(), 'v1')
      const digest = digestOf(text)
      upstream.content.manifests.set(`app@${digest}`, { mediaType: OCI_MANIFEST, bytes: Buffer.from(text) })
      expect(await refusal(registry.reads.manifest(repo('app'), digest)), text).to.equal('UPSTREAM_FAILED')
    }
  })

  it('all of them are right in fsck, and in an index made anew', async () => {
    await pullAll()
    const { index: target } = await open({ ownStore: true })
    const findings: Finding[] = []
    const check = new Fsck(registry.parts, finding => findings.push(finding))
    await check.run({ index: registry.index, truth: registry.index, target })
    expect(findings).to.deep.equal([])
  })

  it('all of them come back from a backup, with the blobs that are here', async () => {
    const digests = await pullAll()
    const folder = await fresh()
    const rows = () => backupRows(registry.index, DOCUMENTS_HERE, [])
    const saved = await new Backup(rows, registry.store, await FolderWriter.open(folder, [])).run([])
    expect(saved.lacking).to.deep.equal([])
    const target = await open({ ownStore: true })
    const restored = await new Restore(target.parts, new FolderReader(folder)).run()
    expect(restored).to.deep.include({ failed: [], others: [], manifests: digests.length })
    for (const digest of digests) {
      const [there, here] = await Promise.all(
        [target, registry].map(one => one.manifests.get(repo('app'), digest)),
      )
      expect(there).to.deep.equal(here)
    }
    expect(await target.rows(REFERENCES)).to.deep.equal(await registry.rows(REFERENCES))
    expect(Object.keys(await target.rows(LINKS))).to.deep.equal([`app ${LAYER.digest}`])
  })

  it('hold what they name, and leave nothing when they are deleted', async () => {
    const digests = await pullAll()
    await registry.collector.collect()
    expect(await registry.rows(LINKS)).to.deep.equal({ [`app ${LAYER.digest}`]: { size: 7 } })
    for (const digest of digests) await registry.manifests.delete(repo('app'), digest)
    await (registry.reads as Pull).settled()
    expect(await registry.rows(REFERENCES)).to.deep.equal({})
    const left = Object.keys(await everything(registry.index)).filter(key => /manifest|tag|refer/.test(key))
    expect(left).to.deep.equal([])
  })

  it('bytes that the upstream serves as another type later keep the one that they came with', async () => {
    const { digest } = put(image({ manifests: [] }), OCI_MANIFEST)
    await registry.reads.manifest(repo('app'), digest)
    upstream.content.manifests.set(`app@${digest}`, {
      mediaType: OCI_INDEX,
      bytes: Buffer.from(JSON.stringify(image({ manifests: [] }))),
    })
    expect(await registry.reads.manifest(repo('app'), tag('v1'))).to.include({ mediaType: OCI_MANIFEST })
    await registry.manifests.delete(repo('app'), digest)
    expect(await registry.rows(REFERENCES)).to.deep.equal({})
  })
})
