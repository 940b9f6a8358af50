import { randomBytes } from 'node:crypto'
import { rm } from 'node:fs/promises'
import { expect } from 'chai'
import { type Digest, digestOf, hexOf } from '../../src/oci/digest.ts'
import { type Answer, ask } from '../support/ask.ts'
import { upload } from '../support/form.ts'
import { EMPTY, imageManifest, type Located, pushBlob, putManifest } from '../support/oci.ts'
import { plugin } from '../support/plugins.ts'
import { blobFile, flip, quarantined, ROT } from '../support/rot.ts'
import { serving } from '../support/server.ts'

const MIB = 1024 * 1024

/** What a client sees when files change under a registry that runs. */
describe('damaged blobs', () => {
  const registry = serving()

  /** The status, or that the connection was cut. */
  const outcome = (asking: Promise<Answer>) =>
    asking.then(
      answer => (answer.status < 400 ? answer.status : `${answer.status} ${answer.code}`),
      (error: NodeJS.ErrnoException) => error.code,
    )
  const get = (digest: Digest, headers = {}) =>
    outcome(registry().ask('GET', `/v2/a/blobs/${digest}`, { headers }))
  const head = async (digest: Digest) => (await ask(registry().url, 'HEAD', `/v2/a/blobs/${digest}`)).status

  async function isHealed(bytes: Uint8Array): Promise<void> {
    const digest = digestOf(bytes)
    expect(await head(digest)).to.equal(404)
    await pushBlob(registry(), 'a', bytes)
    expect(await head(digest)).to.equal(200)
    const { bytes: healed } = await registry().ask('GET', `/v2/a/blobs/${digest}`)
    expect(healed.equals(bytes)).to.equal(true)
    expect(await quarantined(registry().storage)).to.deep.equal([])
  }

  for (const [size, blob] of [
    ['small', 1.5 * MIB],
    ['large', 6 * MIB + 1],
  ] as const) {
    for (const [what, damage] of Object.entries(ROT)) {
      const cut = size === 'large' && what !== 'nothing left'

      it(`${size}, ${what} -> ${cut ? 'the connection is cut, then ' : ''}404, and a push heals it`, async () => {
        const bytes = randomBytes(blob)
        const { digest } = await pushBlob(registry(), 'a', bytes)
        expect(await get(digest)).to.equal(200)
        await damage(blobFile(registry().storage, digest))
        if (cut) expect(await get(digest)).to.equal('ECONNRESET')
        expect(await get(digest)).to.equal('404 BLOB_UNKNOWN')
        expect(await quarantined(registry().storage)).to.deep.equal([`sha256-${hexOf(digest)}`])
        await isHealed(bytes)
      })
    }

    it(`${size}, gone -> 404, and a push heals it`, async () => {
      const bytes = randomBytes(blob)
      const { digest } = await pushBlob(registry(), 'a', bytes)
      await rm(blobFile(registry().storage, digest))
      expect(await get(digest)).to.equal('404 BLOB_UNKNOWN')
      await isHealed(bytes)
    })

    it(`${size}, a flipped bit outside of the range -> no byte of it all the same`, async () => {
      const bytes = randomBytes(blob)
      const { digest } = await pushBlob(registry(), 'a', bytes)
      await flip(blobFile(registry().storage, digest), -1)
      const range = { range: 'bytes=0-9' }
      expect(await get(digest, range)).to.equal(size === 'small' ? '404 BLOB_UNKNOWN' : 'ECONNRESET')
      expect(await get(digest, range)).to.equal('404 BLOB_UNKNOWN')
      await isHealed(bytes)
    })
  }

  it('a client that asks before it pushes (HEAD) -> is told to push what has rotted unseen', async () => {
    const bytes = randomBytes(1000)
    const { digest } = await pushBlob(registry(), 'a', bytes)
    await flip(blobFile(registry().storage, digest), 500)
    await isHealed(bytes)
  })

  for (const from of ['&from=a', '']) {
    it(`a mount${from} of one -> 202: push it`, async () => {
      for (const [what, size] of [
        ['a flipped bit', 1000],
        ['a missing end', 5 * MIB],
      ] as const) {
        const bytes = randomBytes(size)
        const { digest } = await pushBlob(registry(), 'a', bytes)
        await ROT[what]?.(blobFile(registry().storage, digest))
        const path = `/v2/b/blobs/uploads/?mount=${digest}${from}`
        expect((await registry().write('POST', path)).status).to.equal(202)
        expect((await registry().ask('GET', `/v2/b/blobs/${digest}`)).code).to.equal('BLOB_UNKNOWN')
        await isHealed(bytes)
        expect((await registry().write('POST', path)).status).to.equal(201)
      }
    })
  }

  it('a manifest that references one -> 404 MANIFEST_BLOB_UNKNOWN until it is pushed again', async () => {
    const bytes = randomBytes(1000)
    await pushBlob(registry(), 'a', '{}')
    const layer: Located = await pushBlob(registry(), 'a', bytes)
    await flip(blobFile(registry().storage, layer.digest), 500)
    const put = () => putManifest(registry(), 'a', 'v1', imageManifest([layer], { config: EMPTY }))
    expect(await put()).to.include({ status: 404, code: 'MANIFEST_BLOB_UNKNOWN' })
    await isHealed(bytes)
    expect((await put()).status).to.equal(201)
  })

  it('can be deleted', async () => {
    const { digest } = await pushBlob(registry(), 'a', randomBytes(1000))
    await flip(blobFile(registry().storage, digest), 500)
    expect(await get(digest)).to.equal('404 BLOB_UNKNOWN')
    expect((await registry().write('DELETE', `/v2/a/blobs/${digest}`)).status).to.equal(202)
    await rm(`${registry().storage}/quarantine/sha256-${hexOf(digest)}`)
  })

  it('a plugin -> 404 on the REST API; the same upload heals it and says AlreadyExists', async () => {
    const { bytes } = plugin('libmemflow_coredump-0.2.0.x86_64.so')
    const digest = digestOf(bytes)
    const post = () => registry().write('POST', '/files', upload(bytes, '00'))
    expect((await post()).text).to.equal('"Added"')
    await flip(blobFile(registry().storage, digest), 100)
    for (const method of ['GET', 'HEAD'])
      expect((await registry().ask(method, `/files/${hexOf(digest)}`)).status).to.equal(404)
    expect((await registry().ask('GET', `/files/${hexOf(digest)}/metadata`)).status).to.equal(200)
    expect((await post()).text).to.equal('"AlreadyExists"')
    const healed = await registry().ask('GET', `/files/${hexOf(digest)}`)
    expect(healed.bytes.equals(Buffer.from(bytes))).to.equal(true)
    expect(await quarantined(registry().storage)).to.deep.equal([])
  })
})
