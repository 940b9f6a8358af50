import { expect } from 'chai'
import type { Policy } from '../../src/core/parts.ts'
import { Registry } from '../../src/core/registry.ts'
import { CLAIMS } from '../../src/index/tables.ts'
import { digestOf } from '../../src/oci/digest.ts'
import { OCI_MANIFEST } from '../../src/oci/media-types.ts'
import { SIGNATURE_ANNOTATION, SIGNATURE_TYPE } from '../../src/oci/plugin-artifact.ts'
import { decode, encode, ORDER } from '../../src/signature/der.ts'
import { loadKeys } from '../../src/signature/keys.ts'
import { Verifier } from '../../src/signature/verifier.ts'
import { EMPTY, imageManifest, type Located } from '../support/oci.ts'
import { plugin } from '../support/plugins.ts'
import { refusal } from '../support/refusal.ts'
import { type CoreRegistry, MIB, registries, repo, type Wrapping } from '../support/registry.ts'
import { signer } from '../support/signer.ts'
import { until } from '../support/until.ts'

const { bytes: FILE } = plugin('libmemflow_coredump-0.2.0.x86_64.so')
const digest = digestOf(FILE)
const WELL = 'nothing: it went well'

describe('core/plugin-claims', () => {
  const open = registries()
  const alice = signer()
  const bob = signer()
  const mallory = signer()
  const good = alice.sign(FILE)
  const wrong = mallory.sign(FILE)
  let registry: CoreRegistry

  const start = async (policy: Partial<Policy> = {}) => {
    registry = await open({ keys: `${alice.pem},${bob.pem}`, policy })
  }
  const isListed = async () => (await registry.names()).includes('coredump')
  const signature = async () => (await registry.plugins.metadata(digest)).signature

  describe('with keys', () => {
    beforeEach(() => start())

    for (const as of ['raw', 'tar', 'tar+gzip'] satisfies Wrapping[]) {
      for (const on of ['layer', 'manifest'] as const) {
        it(`list a plugin pushed as ${as} with a good signature on the ${on}`, async () => {
          await registry.pushPlugin('coredump', 'v1', FILE, { as, on, signature: good })
          expect(await signature()).to.equal(good)
          expect(await registry.tags('coredump')).to.include('latest')
        })

        it(`refuse one pushed as ${as} with a wrong signature on the ${on}, and leave nothing behind`, async () => {
          const layer = { as, on, signature: wrong }
          expect(await refusal(registry.pushPlugin('coredump', 'v1', FILE, layer))).to.equal(
            'SIGNATURE_INVALID',
          )
          expect((await registry.discovery.repositories(10)).items).to.deep.equal([])
          expect(await isListed()).to.equal(false)
          for (const prefix of [
            'manifest',
            'bytes',
            'tag',
            'claim',
            'binary',
            'build',
            'file',
            'variant',
            'name',
          ]) {
            expect(await registry.index.page({ prefix, encoding: 'bytes' }, []), prefix).to.deep.equal([])
          }
        })
      }
    }

    for (const text of ['', 'aabb', 'garbage', `${good}00`, ` ${good}`]) {
      it(`refuse ${JSON.stringify(text.slice(0, 10))}… as a signature`, async () => {
        const push = registry.pushPlugin('coredump', 'v1', FILE, { signature: text })
        expect(await refusal(push)).to.equal('SIGNATURE_INVALID')
      })
    }

    it('say which key it was', async () => {
      await registry.pushPlugin('a', 'v1', FILE, { signature: good })
      await registry.pushPlugin('b', 'v1', FILE, { signature: bob.sign(FILE) })
      const keys = Object.values(await registry.rows(CLAIMS)).map(({ key }) => key)
      expect(keys).to.have.length(2)
      expect(new Set(keys)).to.have.length(2)
      for (const key of keys) expect(key).to.match(/^[0-9a-f]{64}$/)
    })

    it('store a high-S signature in its low-S form, which is the one that clients accept', async () => {
      const { r, s } = decode(Buffer.from(good, 'hex')) ?? expect.fail('not DER')
      const high = encode({ r, s: ORDER - s })
        .toString('hex')
        .toUpperCase()
      await registry.pushPlugin('coredump', 'v1', FILE, { signature: high })
      expect(await signature()).to.equal(good)
    })

    it('keep a plugin without a signature where it can be pulled, and list it nowhere', async () => {
      const { digest: manifest } = await registry.pushPlugin('coredump', 'v1', FILE)
      expect((await registry.manifest('coredump', 'v1')).digest).to.equal(manifest)
      expect(await registry.blobs.stat(repo('coredump'), digest)).to.equal(FILE.length)
      expect(await isListed()).to.equal(false)
      expect(await refusal(registry.plugins.metadata(digest))).to.equal('PLUGIN_UNKNOWN')
      expect(await refusal(registry.plugins.open(digest))).to.equal('PLUGIN_UNKNOWN')
      expect(await registry.tags('coredump')).to.deep.equal(['v1'])
    })

    it('take the signature of the layer for that of the manifest', async () => {
      const layer = await registry.pushBlob('a', FILE)
      const signed = { ...layer, annotations: { [SIGNATURE_ANNOTATION]: good } }
      const annotations = { [SIGNATURE_ANNOTATION]: wrong }
      await registry.pushImage('a', 'v1', [signed], { annotations })
      expect(await signature()).to.equal(good)
    })

    it('refuse a manifest of several plugins where one signature is wrong', async () => {
      const native = plugin('libmemflow_native-0.2.0.x86_64.so').bytes
      const layers = [
        { ...(await registry.pushBlob('a', FILE)), annotations: { [SIGNATURE_ANNOTATION]: good } },
        { ...(await registry.pushBlob('a', native)), annotations: { [SIGNATURE_ANNOTATION]: good } },
      ]
      expect(await refusal(registry.pushImage('a', 'v1', layers))).to.equal('SIGNATURE_INVALID')
      expect(await registry.names()).to.deep.equal([])
    })

    it('list what REST uploads although oras pushed it without a signature before', async () => {
      await registry.pushPlugin('coredump', 'v1', FILE)
      expect(await registry.publish(FILE, good)).to.equal(true)
      expect(await signature()).to.equal(good)
      expect(await registry.tags('coredump')).to.include.members(['v1', 'latest'])
    })
  })

  describe('with a signature that is a referrer', () => {
    beforeEach(() => start())

    const subjectOf = () => {
      const annotations = {}
      const layer = { mediaType: 'application/octet-stream', digest, size: FILE.length }
      const body = imageManifest([layer], {
        artifactType: 'application/vnd.unknown.artifact.v1',
        annotations,
      })
      return { mediaType: OCI_MANIFEST, digest: digestOf(body), size: body.length }
    }

    it('list the plugin when it comes after it', async () => {
      const subject = await registry.pushPlugin('coredump', 'v1', FILE)
      expect(subject).to.deep.equal(subjectOf())
      await registry.pushSignature('coredump', subject, good)
      expect(await signature()).to.equal(good)
      expect(await registry.tags('coredump')).to.include('latest')
    })

    it('list the plugin when it came before it', async () => {
      await registry.pushSignature('coredump', subjectOf(), good)
      expect(await isListed()).to.equal(false)
      await registry.pushPlugin('coredump', 'v1', FILE)
      expect(await signature()).to.equal(good)
    })

    it('list the plugin when both come at once', async () => {
      for (let round = 0; round < 15; round++) {
        await start()
        const outcomes = await Promise.all([
          refusal(registry.pushPlugin('coredump', 'v1', FILE)),
          refusal(registry.pushSignature('coredump', subjectOf(), good)),
        ])
        expect(outcomes).to.deep.equal([WELL, WELL])
        expect(await isListed(), `round ${round}`).to.equal(true)
      }
    })

    /** The plugin first in line, the signature behind it, which has looked for its subject before. */
    const inLine = async (signed: string) => {
      let push: Promise<unknown> = Promise.resolve()
      let attach: Promise<unknown> = Promise.resolve()
      for (const blob of [FILE, '{}']) await registry.pushBlob('coredump', blob)
      const { index } = registry
      const asked: string[] = []
      const exclusive = index.exclusive.bind(index)
      index.exclusive = (keys, work) => {
        asked.push(`${keys}`)
        return exclusive(keys, work)
      }
      await exclusive(['repository coredump'], async () => {
        push = registry.pushPlugin('coredump', 'v1', FILE)
        await until(() => asked.includes('repository coredump'))
        attach = registry.pushSignature('coredump', subjectOf(), signed)
        await until(() => asked.filter(keys => keys === 'plugins').length === 2)
      })
      return [await refusal(push), await refusal(attach)]
    }

    it('list the plugin where it got in first', async () => {
      expect(await inLine(good)).to.deep.equal([WELL, WELL])
      expect(await isListed()).to.equal(true)
    })

    it('refuse a wrong one where the plugin got in first', async () => {
      expect(await inLine(wrong)).to.deep.equal([WELL, 'SIGNATURE_INVALID'])
      expect(await isListed()).to.equal(false)
    })

    it('refuse a wrong one, and leave nothing behind', async () => {
      const subject = await registry.pushPlugin('coredump', 'v1', FILE)
      for (const text of [wrong, 'garbage', '']) {
        expect(await refusal(registry.pushSignature('coredump', subject, text))).to.equal('SIGNATURE_INVALID')
      }
      expect(
        (await registry.discovery.referrers(repo('coredump'), subject.digest, 10, {})).items,
      ).to.deep.equal([])
      expect(await isListed()).to.equal(false)
    })

    it('look past a wrong one that came before the plugin', async () => {
      await registry.pushSignature('coredump', subjectOf(), wrong)
      await registry.pushPlugin('coredump', 'v1', FILE)
      expect(await isListed()).to.equal(false)
      await registry.pushSignature('coredump', subjectOf(), good)
      expect(await signature()).to.equal(good)
    })

    it('unlist the plugin when it goes', async () => {
      const subject = await registry.pushPlugin('coredump', 'v1', FILE)
      const referrer = await registry.pushSignature('coredump', subject, good)
      await registry.manifests.delete(repo('coredump'), referrer.digest)
      expect(await isListed()).to.equal(false)
      expect(await registry.tags('coredump')).to.deep.equal(['v1'])
    })

    it('keep the plugin listed by another one when one goes', async () => {
      const subject = await registry.pushPlugin('coredump', 'v1', FILE)
      const referrers = [
        await registry.pushSignature('coredump', subject, good),
        await registry.pushSignature('coredump', subject, bob.sign(FILE)),
      ]
      for (const [i, referrer] of referrers.entries()) {
        expect(await isListed()).to.equal(true)
        await registry.manifests.delete(repo('coredump'), referrer.digest)
        expect(await isListed()).to.equal(i === 0)
      }
    })

    it('leave a plugin with a signature of its own as it is', async () => {
      const subject = await registry.pushPlugin('coredump', 'v1', FILE, { signature: good })
      await registry.pushSignature('coredump', subject, bob.sign(FILE))
      expect(await signature()).to.equal(good)
    })

    it('count in the repository of the plugin only', async () => {
      const subject = await registry.pushPlugin('coredump', 'v1', FILE)
      await registry.pushSignature('elsewhere', subject, good)
      expect(await isListed()).to.equal(false)
    })

    it('count only by their type', async () => {
      const subject = await registry.pushPlugin('coredump', 'v1', FILE)
      const annotations = { [SIGNATURE_ANNOTATION]: good }
      await registry.pushImage('coredump', undefined, [], { artifactType: 'a/b', subject, annotations })
      expect(await isListed()).to.equal(false)
    })

    it('sign whatever else there is too, without a verdict', async () => {
      const subject = await registry.pushImage('a', 'v1', [])
      await registry.pushSignature('a', subject, 'garbage')
      const { items } = await registry.discovery.referrers(repo('a'), subject.digest, 10, {})
      expect(items.map(({ artifactType }) => artifactType)).to.deep.equal([SIGNATURE_TYPE])
    })

    it('go on listing nothing when the subject goes before them', async () => {
      const subject = await registry.pushPlugin('coredump', 'v1', FILE)
      const referrer = await registry.pushSignature('coredump', subject, good)
      await registry.manifests.delete(repo('coredump'), subject.digest)
      expect(await isListed()).to.equal(false)
      await registry.manifests.delete(repo('coredump'), referrer.digest)
      expect((await registry.discovery.repositories(10)).items).to.deep.equal([])
    })

    it('may be pushed twice, and without a subject', async () => {
      const subject = await registry.pushPlugin('coredump', 'v1', FILE)
      await registry.pushSignature('coredump', subject, good)
      await registry.pushSignature('coredump', subject, good)
      expect(await signature()).to.equal(good)
      await registry.pushImage('coredump', 'alone', [EMPTY], {
        artifactType: SIGNATURE_TYPE,
        annotations: { [SIGNATURE_ANNOTATION]: good },
      })
    })
  })

  describe('where a signature is required', () => {
    beforeEach(() => start({ requireSignature: true }))

    it('refuse a plugin without one', async () => {
      const push = registry.pushPlugin('coredump', 'v1', FILE)
      expect(await refusal(push)).to.equal('SIGNATURE_INVALID')
      await push.catch(error => expect(error.message).to.include('io.memflow.plugin.signature'))
      expect((await registry.discovery.repositories(10)).items).to.deep.equal([])
    })

    it('take one that has it, and everything that is no plugin', async () => {
      await registry.pushPlugin('coredump', 'v1', FILE, { signature: good })
      await registry.pushImage('other', 'v1', [await registry.pushBlob('other', 'text')])
      expect(await isListed()).to.equal(true)
    })

    it('take one whose signature came before it; when that goes, it is listed no more', async () => {
      const layer = { mediaType: 'application/octet-stream', digest, size: FILE.length }
      const body = imageManifest([layer], {
        artifactType: 'application/vnd.unknown.artifact.v1',
        annotations: {},
      })
      const subject = { mediaType: OCI_MANIFEST, digest: digestOf(body), size: body.length }
      const referrer = await registry.pushSignature('coredump', subject, good)
      await registry.pushPlugin('coredump', 'v1', FILE)
      expect(await isListed()).to.equal(true)
      await registry.manifests.delete(repo('coredump'), referrer.digest)
      expect(await isListed()).to.equal(false)
      expect((await registry.manifest('coredump', 'v1')).digest).to.equal(subject.digest)
    })
  })

  describe('without keys', () => {
    beforeEach(async () => {
      registry = await open({ policy: { requireSignature: true, maxPluginSize: MIB } })
    })

    it('list everything, with whatever signature it has, and no key to vouch for it', async () => {
      await registry.pushPlugin('a', 'v1', FILE)
      expect(await signature()).to.equal('')
      await registry.plugins.delete(digest)
      await registry.pushPlugin('a', 'v1', FILE, { signature: 'garbage' })
      expect(await signature()).to.equal('garbage')
      expect(Object.values(await registry.rows(CLAIMS))[0]).not.to.have.property('key')
    })

    it('take the signature of a referrer too', async () => {
      const subject = await registry.pushPlugin('a', 'v1', FILE)
      await registry.pushSignature('a', subject, good)
      expect(await signature()).to.equal(good)
    })
  })

  describe('when the key that vouched is no longer there', () => {
    let changed: Registry
    let subject: Located

    beforeEach(async () => {
      await start()
      subject = await registry.pushPlugin('coredump', 'v1', FILE, { signature: good })
      changed = new Registry({ ...registry.parts, verifier: new Verifier(await loadKeys(bob.pem)) })
    })

    it('let manifests and signatures be deleted', async () => {
      const later = await registry.pushSignature('coredump', subject, good)
      await changed.manifests.delete(repo('coredump'), later.digest)
      await changed.manifests.delete(repo('coredump'), subject.digest)
      expect(await isListed()).to.equal(false)
    })

    it('let a new signature take the place of the old one', async () => {
      const manifest = imageManifest([EMPTY], {
        artifactType: SIGNATURE_TYPE,
        subject,
        annotations: { [SIGNATURE_ANNOTATION]: bob.sign(FILE) },
      })
      await registry.pushBlob('coredump', '{}')
      await changed.manifests.put(repo('coredump'), digestOf(manifest), manifest, OCI_MANIFEST)
      expect(await signature()).not.to.equal(good)
      expect(await isListed()).to.equal(true)
    })
  })
})
