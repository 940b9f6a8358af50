import { expect } from 'chai'
import { checkRealm } from '../../src/remote/realm.ts'
import { RemoteRequest } from '../../src/remote/request.ts'
import { settingsFor } from '../support/upstream/asking.ts'

describe('remote/realm', () => {
  function verdict(url: string, realm: string, withCredentials = true, trustedRealms: string[] = []): string {
    const request = new RemoteRequest('hub', 'GET', new URL('/v2/', url))
    try {
      return checkRealm(request, realm, settingsFor(url, { trustedRealms }), withCredentials).href
    } catch (error) {
      return (error as Error).message.replace(/^.*?: /, '')
    }
  }

  for (const [url, realm] of [
    ['https://registry-1.docker.io', 'https://auth.docker.io/token'],
    ['https://ghcr.io', 'https://ghcr.io/token'],
    ['https://registry.example.co.uk', 'https://login.example.co.uk/token?a=b'],
    ['https://registry.example.org:5000', 'https://auth.example.org:8443/token'],
    ['https://registry.corp.internal', 'https://auth.corp.internal/token'],
    ['http://registry.example.org', 'https://auth.example.org/token'],
    ['http://127.0.0.1:5000', 'http://127.0.0.1:5000/token'],
    ['http://localhost:5000', 'http://localhost:5000/token'],
    ['https://[2606:4700::1]', 'https://[2606:4700::1]/token'],
  ] as const) {
    it(`credentials for ${url} go to ${realm}`, () => {
      expect(verdict(url, realm)).to.equal(realm)
    })
  }

  for (const [url, realm] of [
    ['https://registry-1.docker.io', 'https://auth.docker.io.evil.example/token'],
    ['https://registry-1.docker.io', 'https://docker.io@evil.example/token'],
    ['https://one.github.io', 'https://other.github.io/token'],
    ['https://one.s3.amazonaws.com', 'https://other.s3.amazonaws.com/token'],
    ['https://one.co.uk', 'https://other.co.uk/token'],
    ['https://192.0.2.1', 'https://192.0.2.2/token'],
    ['https://192.0.2.1', 'https://192.0.2.1:8443/token'],
    ['https://localhost:5000', 'https://localhost:5001/token'],
    ['http://registry.example.org', 'http://auth.example.org/token'],
    ['http://127.0.0.1:5000', 'http://127.0.0.1:5001/token'],
  ] as const) {
    const { origin } = new URL(realm)
    it(`credentials for ${url} do not go to ${realm}, but where trustedRealms has it`, () => {
      expect(verdict(url, realm)).to.equal(
        `its realm ${origin} does not get the username and password, for it is of another domain; ` +
          `add "${origin}" to trustedRealms if it belongs to the upstream`,
      )
      expect(verdict(url, realm, true, [origin])).to.equal(new URL(realm).href)
    })

    it(`without credentials, ${realm} may be asked for ${url}`, () => {
      expect(verdict(url, realm, false)).to.equal(new URL(realm).href)
    })
  }

  it('a realm without TLS is not asked for an upstream with it, with or without credentials', () => {
    for (const credentials of [true, false]) {
      expect(
        verdict('https://a.example', 'http://a.example/token', credentials, ['http://a.example']),
      ).to.equal('its realm http://a.example is not https')
    }
  })

  for (const realm of ['', '/token', 'token', 'https://']) {
    it(`"${realm}" is no realm`, () => {
      expect(verdict('https://a.example', realm)).to.equal('the realm that it names is no URL')
    })
  }

  for (const realm of ['file:///etc/passwd', 'ftp://a.example/token', 'data:,token']) {
    it(`${realm} is no realm that is asked`, () => {
      expect(verdict('https://a.example', realm)).to.include('is not https')
    })
  }
})
