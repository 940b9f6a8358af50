import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect } from 'chai'
import { FaultyUpstream, type UpstreamOptions } from '../../spec/support/faulty-upstream.ts'
import { BasicAccess, basicHeader, TokenAccess } from '../../spec/support/upstream/access.ts'
import { redirect } from '../../spec/support/upstream/faults.ts'
import { OCI_MANIFEST } from '../../src/oci/media-types.ts'
import { type Server, TOKEN } from '../support/server.ts'
import { ask, errorOf } from './ask.ts'
import { type Entry, startMirror } from './start.ts'
import { Stock } from './stock.ts'

const LOGIN = { username: 'me', password: 'a-secret-of-the-upstream' }

describe('security of mirrors', () => {
  const { content, kept } = new Stock()
  const ends: (() => Promise<unknown>)[] = []
  /** Another origin, which has the same content; nobody who is sent there may bring credentials. */
  let other: FaultyUpstream

  const start = async (options: UpstreamOptions) => {
    const upstream = await FaultyUpstream.start({ content, ...options })
    ends.unshift(() => upstream.stop())
    return upstream
  }

  const mirrorOf = async (url: string, more: Partial<Entry> = {}): Promise<Server> => {
    const folder = await mkdtemp(join(tmpdir(), 'mirror-'))
    const mirror = await startMirror(folder, [{ name: 'up', url, prefix: 'up', ...more }])
    ends.unshift(() => mirror.stop().then(() => rm(folder, { recursive: true, force: true })))
    return mirror
  }

  const pull = ({ url }: Server, path: string) => ask(`${url}/v2/up/app/${path}`)

  beforeEach(async () => {
    other = await start({})
  })

  afterEach(async () => {
    for (const end of ends.splice(0)) await end()
  })

  it('a redirect of a blob to another origin -> is followed without credentials', async () => {
    const upstream = await start({ access: new BasicAccess(LOGIN) })
    upstream.fail('blob', redirect(`${other.url}/v2/app/blobs/${kept.layer}`))
    const mirror = await mirrorOf(upstream.url, { ...LOGIN, allowPrivateAddresses: true })
    expect((await pull(mirror, 'manifests/kept')).status).to.equal(200)
    expect((await pull(mirror, `blobs/${kept.layer}`)).bytes.length).to.equal(100_000)
    expect(upstream.requests.at(-1)?.authorization).to.equal(basicHeader(LOGIN))
    expect(other.requests.map(({ authorization }) => authorization)).to.deep.equal([undefined])
    expect(mirror.log()).not.to.contain(LOGIN.password)
  })

  it('a redirect to an address that is not public -> is refused', async () => {
    const upstream = await start({})
    const mirror = await mirrorOf(upstream.url)
    const port = new URL(other.url).port
    for (const host of ['127.0.0.1', 'localhost', '[::1]', '169.254.169.254', '10.0.0.1']) {
      upstream.fail('blob', redirect(`http://${host}:${port}/v2/app/blobs/${kept.layer}`))
      const answer = await pull(mirror, `blobs/${kept.layer}`)
      expect(answer.status).to.equal(502)
      expect(errorOf(answer).message).to.match(/is not a public address; set allowPrivateAddresses/)
    }
    expect(other.requests).to.deep.equal([])
  })

  it('a realm elsewhere -> does not get the credentials, unless it is trusted', async () => {
    const access = new TokenAccess({ login: LOGIN, realm: `${other.url}/token` })
    const realm = await start({ access })
    access.realm = `${realm.url}/token`
    const upstream = await start({ access })
    const refused = await pull(await mirrorOf(upstream.url, LOGIN), 'manifests/kept')
    expect(refused.status).to.equal(502)
    expect(errorOf(refused).message).to.match(/realm .* does not get the username and password/)
    expect(realm.requests).to.deep.equal([])
    const trusting = await mirrorOf(upstream.url, { ...LOGIN, trustedRealms: [realm.url] })
    expect((await pull(trusting, 'manifests/kept')).status).to.equal(200)
    expect(realm.requests.map(({ authorization }) => authorization)).to.deep.equal([basicHeader(LOGIN)])
    for (const { authorization } of upstream.requests) {
      expect(authorization ?? '').to.match(/^$|^Bearer token-/)
    }
  })

  it('URLs in a manifest -> are not followed', async () => {
    const upstream = await start({})
    const url = `${other.url}/v2/app/blobs/${kept.layer}`
    const layer = { mediaType: 'application/octet-stream', digest: kept.layer, size: 100_000, urls: [url] }
    const config = { mediaType: 'application/vnd.oci.empty.v1+json', digest: content.blob('{}'), size: 2 }
    content.manifest('app', { schemaVersion: 2, mediaType: OCI_MANIFEST, config, layers: [layer] }, 'urls')
    const mirror = await mirrorOf(upstream.url)
    expect((await pull(mirror, 'manifests/urls')).status).to.equal(200)
    expect((await pull(mirror, `blobs/${kept.layer}`)).status).to.equal(200)
    expect(other.requests).to.deep.equal([])
  })

  it('a push into what is mirrored -> 403, with the right token too', async () => {
    const upstream = await start({})
    const { url } = await mirrorOf(upstream.url)
    const headers = { authorization: `Bearer ${TOKEN}`, 'content-type': OCI_MANIFEST }
    const body = new Uint8Array(content.manifestAt('app', 'kept')?.bytes ?? [])
    for (const answer of [
      await ask(`${url}/v2/up/app/blobs/uploads/`, { method: 'POST', headers }),
      await ask(`${url}/v2/up/app/manifests/v1`, { method: 'PUT', headers, body }),
    ]) {
      expect(answer.status).to.equal(403)
      expect(errorOf(answer)).to.have.property('code', 'DENIED')
    }
    expect(upstream.requests).to.deep.equal([])
  })
})
