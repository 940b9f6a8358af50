import { expect } from 'chai'
import { pushArtifact } from '../support/oci.ts'
import { type RunningRegistry, startRegistry } from '../support/server.ts'

describe('http/cors', () => {
  const origin = 'https://app.example.org'
  const preflight = { origin, 'access-control-request-method': 'PUT' }

  for (const corsOrigins of [[], [origin, 'http://localhost:8080'], ['*']]) {
    describe(`with the origins ${corsOrigins.join(' and ') || 'none'}`, () => {
      let registry: RunningRegistry
      const allowed = corsOrigins.includes('*') ? '*' : origin

      before(async () => {
        registry = await startRegistry({ policy: { corsOrigins } })
        await pushArtifact(registry, 'a', 'v1')
      })
      after(() => registry.close())

      const get = (path: string, headers: Record<string, string> = {}, method = 'GET') =>
        registry.ask(method, path, { headers })

      it('a page of an allowed origin may read every response, kept in the response cache or not', async () => {
        for (let i = 0; i < 4; i++) {
          for (const path of [
            '/plugins',
            '/v2/a/manifests/v1',
            '/v2/a/manifests/unknown',
            '/v2/',
            '/nothing',
          ]) {
            const { headers } = await get(path, { origin })
            if (corsOrigins.length === 0)
              expect(headers).not.to.have.any.keys('access-control-allow-origin', 'vary')
            else {
              expect(headers).to.include({ 'access-control-allow-origin': allowed, vary: 'Origin' })
              expect(headers['access-control-expose-headers']).to.include('Docker-Content-Digest')
            }
            // Fills the response cache with an answer that no page asked for.
            expect((await get(path)).headers).not.to.have.property('access-control-allow-origin')
          }
        }
      })

      it('a page of another origin may read none', async () => {
        const { headers } = await get('/plugins', { origin: 'https://evil.example.org' })
        if (corsOrigins.includes('*')) expect(headers['access-control-allow-origin']).to.equal('*')
        else expect(headers).not.to.have.property('access-control-allow-origin')
      })

      it('a preflight request is answered without credentials', async () => {
        const { status, headers } = await get('/v2/a/manifests/v2', preflight, 'OPTIONS')
        if (corsOrigins.length === 0) expect(status).to.equal(405)
        else {
          expect(status).to.equal(204)
          expect(headers['access-control-allow-methods']).to.include('PUT')
          expect(headers['access-control-allow-headers']).to.include('Authorization')
          expect(Number(headers['access-control-max-age'])).to.be.greaterThan(0)
        }
      })
    })
  }
})
