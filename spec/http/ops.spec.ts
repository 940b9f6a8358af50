import { rename } from 'node:fs/promises'
import { join } from 'node:path'
import { expect } from 'chai'
import { serving } from '../support/server.ts'

describe('http/ops', () => {
  const registry = serving()

  it('GET /health -> 200 "Ok"; 503 while blobs cannot be read', async () => {
    const [here, away] = ['blobs', 'away'].map(name => join(registry().storage, name)) as [string, string]
    await rename(here, away)
    const ill = await registry().ask('GET', '/health')
    await rename(away, here)
    expect(ill.status).to.equal(503)
    expect(ill.text).to.equal('{"Error":"database unhealthy"}')
    expect(ill.headers['content-type']).to.equal('application/json')
    const well = await registry().ask('GET', '/health')
    expect(well.status).to.equal(200)
    expect(well.text).to.equal('"Ok"')
    expect(well.headers).to.include({ 'content-type': 'application/json', 'content-length': '4' })
  })

  it('GET /health -> 200 while nothing can be uploaded: what is here can be read', async () => {
    const [here, away] = ['uploads', 'away'].map(name => join(registry().storage, name)) as [string, string]
    await rename(here, away)
    const health = await registry().ask('GET', '/health')
    await rename(away, here)
    expect(health).to.include({ status: 200, text: '"Ok"' })
  })

  it('GET /health with wrong credentials -> 200: it is for nobody in particular', async () => {
    const { status } = await registry().ask('GET', '/health', { headers: { authorization: 'Bearer nope' } })
    expect(status).to.equal(200)
  })

  it('the memflow reads with credentials of whatever kind -> 200, as the original had it', async () => {
    for (const path of ['/plugins', '/plugins/x']) {
      const { status } = await registry().ask('GET', path, { headers: { authorization: 'Bearer nope' } })
      expect(status).to.equal(200)
    }
  })
})
