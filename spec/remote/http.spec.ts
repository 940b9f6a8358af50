import { expect } from 'chai'
import { type Digest, digestOf } from '../../src/oci/digest.ts'
import type { Repository } from '../../src/oci/name.ts'
import { HttpOciUpstream } from '../../src/remote/oci-upstream.ts'
import type { UpstreamSettings } from '../../src/remote/settings.ts'
import type { Surroundings } from '../../src/remote/upstream.ts'
import { type FaultyUpstream, upstreams } from '../support/faulty-upstream.ts'
import { BasicAccess } from '../support/upstream/access.ts'
import { read, remoteError, resolver, settingsFor } from '../support/upstream/asking.ts'
import { type Certificate, selfSigned } from '../support/upstream/certificate.ts'
import { redirect } from '../support/upstream/faults.ts'

const REPOSITORY = 'library/a' as Repository
const LOGIN = { username: 'me', password: 'hunter2' }
const BLOB = Buffer.from('content')

describe('remote/http', () => {
  const start = upstreams()
  const opened: HttpOciUpstream[] = []
  let certificate: Certificate

  before(() => {
    certificate = selfSigned('IP:127.0.0.1', 'DNS:*.example.org', 'DNS:*.example.net')
  })

  afterEach(() => Promise.all(opened.splice(0).map(client => client.close())))

  function open(
    url: string,
    more: Partial<UpstreamSettings> = {},
    surroundings?: Surroundings,
  ): HttpOciUpstream {
    const client = new HttpOciUpstream(settingsFor(url, more), surroundings)
    opened.push(client)
    return client
  }

  const readBlob = async (client: HttpOciUpstream, digest: Digest) =>
    await read((await client.blob(REPOSITORY, digest)).body)

  /** An upstream that wants a login and sends all who ask for a blob to another. */
  async function redirecting(
    options: { from?: Certificate; to?: Certificate } = {},
  ): Promise<{ from: FaultyUpstream; to: FaultyUpstream; digest: Digest }> {
    const from = await start({
      access: new BasicAccess(LOGIN),
      ...(options.from && { certificate: options.from }),
    })
    const to = await start(options.to && { certificate: options.to })
    const digest = to.content.blob(BLOB)
    from.fail('blob', exchange => {
      const { url = '' } = exchange.request
      const denied = exchange.answer.status === 401
      if (denied) exchange.response.writeHead(401, exchange.answer.headers).end()
      else redirect(`${to.url}${url}`)(exchange)
    })
    return { from, to, digest }
  }

  describe('credentials', () => {
    it('do not go along to another origin', async () => {
      const { from, to, digest } = await redirecting()
      const client = open(from.url, { ...LOGIN, allowPrivateAddresses: true })
      expect((await readBlob(client, digest)).equals(BLOB)).to.equal(true)
      expect(from.requests.at(-1)?.authorization).to.match(/^Basic /)
      expect(to.requests.map(({ authorization }) => authorization)).to.deep.equal([undefined])
      expect(JSON.stringify(to.requests)).not.to.include('hunter2')
    })

    it('do not go to another origin that wants them, and its challenge is not answered', async () => {
      const { from, digest } = await redirecting()
      const greedy = await start({ access: new BasicAccess(LOGIN) })
      from.fail('blob', exchange => redirect(`${greedy.url}/v2/x/blobs/${digest}`)(exchange))
      const client = open(from.url, { ...LOGIN, allowPrivateAddresses: true })
      const error = await remoteError(readBlob(client, digest))
      expect(error.failure).to.equal('refused')
      expect(greedy.requests.map(({ authorization }) => authorization)).to.deep.equal([undefined])
    })

    it('are not sent any more after another origin has sent the request back', async () => {
      const { from, to, digest } = await redirecting()
      to.fail('blob', exchange => redirect(`${from.url}/v2/secret/manifests/v1`)(exchange))
      const client = open(from.url, { ...LOGIN, allowPrivateAddresses: true })
      await remoteError(readBlob(client, digest))
      const back = from.requests.filter(({ path }) => path.includes('secret'))
      expect(back).not.to.deep.equal([])
      expect(back.map(({ authorization }) => authorization)).to.deep.equal(back.map(() => undefined))
    })

    it('go along within the origin', async () => {
      const upstream = await start({ access: new BasicAccess(LOGIN) })
      const digest = upstream.content.blob(BLOB)
      const client = open(upstream.url, LOGIN)
      await client.stat(REPOSITORY, digest)
      upstream.fail('blob', redirect(`/v2/moved/blobs/${digest}`, 302), 1)
      expect((await readBlob(client, digest)).equals(BLOB)).to.equal(true)
      expect(upstream.requests.at(-1)).to.include({ path: `/v2/moved/blobs/${digest}` })
    })

    it('in a redirect are not taken', async () => {
      const { from, to, digest } = await redirecting()
      from.fail('blob', redirect(`${to.url.replace('//', '//user:pw@')}/v2/a/blobs/${digest}`))
      const client = open(from.url, { allowPrivateAddresses: true })
      expect((await readBlob(client, digest)).equals(BLOB)).to.equal(true)
      expect(to.requests[0]?.authorization).to.equal(undefined)
    })

    it('and what a redirect carries in its query or its path are in no message', async () => {
      const { from, to, digest } = await redirecting()
      from.fail('blob', redirect(`${to.url}/signed-s3cret?signature=s3cret`))
      const client = open(from.url, { ...LOGIN, allowPrivateAddresses: true })
      await to.stop()
      const error = await remoteError(readBlob(client, digest))
      expect(error.message).to.equal(
        `GET ${from.url}/v2/library/a/blobs/${digest}: redirected to ${to.url}: the connection was refused`,
      )
      expect(JSON.stringify([error.message, String(error.cause), error.stack])).not.to.match(/s3cret|hunter2/)
    })
  })

  describe('redirects', () => {
    it('from https to http are refused', async () => {
      const { from, to, digest } = await redirecting({ from: certificate })
      const client = open(from.url, { ...LOGIN, allowPrivateAddresses: true, ca: certificate.cert })
      const error = await remoteError(readBlob(client, digest))
      expect(error.failure).to.equal('refused')
      expect(error.message).to.include('it redirects from https: to http:, which is not safe')
      expect(to.count()).to.equal(0)
    })

    it('from http to https, and from https to https, are followed', async () => {
      for (const options of [{ to: certificate }, { from: certificate, to: certificate }]) {
        const { from, digest } = await redirecting(options)
        const client = open(from.url, { ...LOGIN, allowPrivateAddresses: true, ca: certificate.cert })
        expect((await readBlob(client, digest)).equals(BLOB)).to.equal(true)
      }
    })

    it('keep the range that is asked for', async () => {
      const { from, to, digest } = await redirecting()
      const client = open(from.url, { ...LOGIN, allowPrivateAddresses: true })
      const { size, body } = await client.blob(REPOSITORY, digest, 3)
      expect([size, (await read(body)).toString()]).to.deep.equal([4, 'tent'])
      expect(to.requests[0]?.headers.range).to.equal('bytes=3-')
    })

    it('are followed five times, not six', async () => {
      const upstream = await start()
      const digest = upstream.content.blob(BLOB)
      const client = open(upstream.url)
      upstream.fail('blob', redirect(''), 5)
      expect((await readBlob(client, digest)).equals(BLOB)).to.equal(true)
      upstream.fail('blob', redirect(''), 6)
      expect((await remoteError(readBlob(client, digest))).failure).to.equal('wrong')
    })
  })

  describe('addresses', () => {
    for (const host of ['127.0.0.1', 'localhost', '[::ffff:127.0.0.1]', '2130706433', '0x7f.1', '0.0.0.0']) {
      it(`a redirect to ${host} is refused`, async () => {
        const { from, to, digest } = await redirecting()
        from.fail('blob', redirect(`${to.at(host)}/v2/a/blobs/${digest}`))
        const error = await remoteError(readBlob(open(from.url), digest))
        expect(error.failure).to.equal('refused')
        expect(error.message).to.match(
          /: redirected to http:\S+: \S+( \(\S+\))? is not a public address; set allowPrivateAddresses where that is meant$/,
        )
        expect(to.count()).to.equal(0)
      })
    }

    for (const address of [
      '169.254.169.254',
      '10.0.0.1',
      '[fe80::1]',
      '[fd00:ec2::254]',
      '[64:ff9b::7f00:1]',
    ]) {
      it(`a redirect to ${address} is refused without a try to connect`, async () => {
        const upstream = await start()
        upstream.fail('blob', redirect(`http://${address}/latest/meta-data`))
        const error = await remoteError(open(upstream.url).blob(REPOSITORY, digestOf(BLOB)))
        expect(error.failure).to.equal('refused')
      })
    }

    it('a name that is public when it is looked at and private when it is used is refused', async () => {
      const { from, to, digest } = await redirecting()
      from.fail('blob', redirect(`${to.at('rebound.example.net')}/v2/a/blobs/${digest}`))
      // The first answer is for who would look before it connects.
      const lookup = resolver({ 'rebound.example.net': ['93.184.215.14', '127.0.0.1'] })
      lookup('rebound.example.net', {}, () => {})
      const error = await remoteError(readBlob(open(from.url, {}, { lookup }), digest))
      expect(error.failure).to.equal('refused')
      expect(error.message).to.include('rebound.example.net (127.0.0.1) is not a public address')
      expect(to.count()).to.equal(0)
    })

    it("the upstream's own origin may be anywhere, also when it redirects to itself", async () => {
      const upstream = await start()
      const digest = upstream.content.blob(BLOB)
      upstream.fail('blob', redirect(`${upstream.url}/v2/b/blobs/${digest}`), 1)
      expect((await readBlob(open(upstream.url), digest)).equals(BLOB)).to.equal(true)
    })

    it('what trustedRealms has may be anywhere too', async () => {
      const { from, to, digest } = await redirecting()
      const client = open(from.url, { ...LOGIN, trustedRealms: [`${to.url}/token`] })
      expect((await readBlob(client, digest)).equals(BLOB)).to.equal(true)
    })
  })

  describe('TLS', () => {
    it('with a certificate of nobody -> unreachable, with what to do', async () => {
      const upstream = await start({ certificate })
      const error = await remoteError(open(upstream.url).tags(REPOSITORY, 1))
      expect([error.failure, error.message]).to.deep.equal([
        'unreachable',
        `GET ${upstream.url}/v2/library/a/tags/list: TLS failed (DEPTH_ZERO_SELF_SIGNED_CERT); ` +
          'a certificate of a private authority needs its caFile',
      ])
      expect(upstream.count()).to.equal(0)
    })

    it('with a certificate of an authority that is trusted here goes well', async () => {
      const upstream = await start({ certificate })
      upstream.content.manifest(REPOSITORY, {}, 'v1')
      const client = open(upstream.url, { ca: certificate.cert })
      expect((await client.tags(REPOSITORY, 1)).tags).to.deep.equal(['v1'])
    })

    it('with a certificate of another name -> unreachable', async () => {
      const upstream = await start({ certificate })
      const lookup = resolver({ 'registry.example.com': ['127.0.0.1'] })
      const client = open(upstream.at('registry.example.com'), { ca: certificate.cert }, { lookup })
      const error = await remoteError(client.tags(REPOSITORY, 1))
      expect(error.failure).to.equal('unreachable')
      expect(error.message).to.include('TLS failed (ERR_TLS_CERT_ALTNAME_INVALID)')
    })

    it('where plain HTTP is spoken -> unreachable', async () => {
      const upstream = await start()
      const error = await remoteError(open(upstream.url.replace('http:', 'https:')).tags(REPOSITORY, 1))
      expect(error.failure).to.equal('unreachable')
      expect(error.message).to.match(/TLS failed \(ERR_SSL_\w+\)/)
    })
  })

  it('keeps connections', async () => {
    const upstream = await start()
    const digest = upstream.content.blob(BLOB)
    const client = open(upstream.url)
    const ports = new Set<number | undefined>()
    upstream.fail('blob', ({ request, response, answer }) => {
      ports.add(request.socket.remotePort)
      response.writeHead(answer.status, answer.headers).end(answer.body)
    })
    for (let i = 0; i < 5; i++) await readBlob(client, digest)
    for (let i = 0; i < 5; i++) await remoteError(client.blob(REPOSITORY, digestOf('absent')))
    // The next request may come before a refusal has been read to its end.
    expect(ports.size).to.be.at.most(2)
  })
})
