import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { expect } from 'chai'
import { del } from '../../src/index/contract.ts'
import { IndexFolder } from '../../src/index/index-folder.ts'
import { COMPLETE } from '../../src/index/tables.ts'
import { digestOf } from '../../src/oci/digest.ts'
import { pushArtifact, pushBlob } from '../support/oci.ts'
import { type RunningRegistry, serving, startRegistry } from '../support/server.ts'
import { tmpDir } from '../support/tmp.ts'
import { until } from '../support/until.ts'

describe('http/garbage', () => {
  const registry = serving({ policy: { gcGrace: 1, gcEvery: Number.POSITIVE_INFINITY } })

  const collect = async (on: RunningRegistry, query = '') => {
    const { status, headers, text } = await on.write('POST', `/ops/gc${query}`)
    expect(status).to.equal(200)
    expect(headers['content-type']).to.equal('application/x-ndjson')
    return text.split('\n').flatMap(line => (line === '' ? [] : [JSON.parse(line)]))
  }

  it('POST /ops/gc -> a line for all that goes, then what was done', async () => {
    await pushArtifact(registry(), 'a', 'v1')
    const { digest } = await pushBlob(registry(), 'a', 'of no use')
    expect(await collect(registry())).to.have.nested.property('[0].collected.waiting', 1)
    await sleep(5)
    const dry = await collect(registry(), '?dry-run')
    expect((await registry().ask('HEAD', `/v2/b/blobs/${digest}`)).status).to.equal(404)
    const real = await collect(registry())
    expect(real).to.deep.equal(dry)
    expect(real.slice(0, -1)).to.deep.equal([
      { kind: 'link', repository: 'a', digest },
      { kind: 'blob', digest, size: 9 },
    ])
    expect(real.at(-1).collected).to.deep.equal({
      graceMs: 1,
      uploads: 0,
      links: 3,
      blobs: 3,
      waiting: 0,
      gone: { index: 0, repository: 0, link: 1, blob: 1 },
      bytes: 9,
    })
    expect((await registry().ask('GET', `/v2/a/blobs/${digest}`)).code).to.equal('BLOB_UNKNOWN')
    expect((await registry().ask('GET', `/v2/a/blobs/${digestOf('content')}`)).text).to.equal('content')
  })

  it('GET /ops/gc/{digest} -> what keeps it; 404 where it is not here, 400 where it is none', async () => {
    await pushArtifact(registry(), 'c', 'v1')
    const { status, json } = await registry().write('GET', `/ops/gc/${digestOf('content')}`)
    expect(status).to.equal(200)
    expect(json).to.deep.include({ digest: digestOf('content'), kept: true, size: 7 })
    expect((await registry().write('GET', `/ops/gc/${digestOf('nothing')}`)).status).to.equal(404)
    expect((await registry().write('GET', '/ops/gc/sha256:0')).status).to.equal(400)
    const short = await registry().write('GET', `/ops/gc/${digestOf('content').slice(7, 14)}`)
    expect(short.json).to.deep.equal(json)
    expect((await registry().write('GET', '/ops/gc/0000000')).status).to.equal(404)
  })

  it('POST /ops/gc?grace= -> 400 if it is not a duration', async () => {
    for (const grace of ['', 'soon', '-1s', '1', '0s'])
      expect((await registry().write('POST', `/ops/gc?grace=${grace}`)).status, grace).to.equal(400)
  })

  it('/ops/gc without the token, or by another method -> 401, 405', async () => {
    expect((await registry().ask('POST', '/ops/gc')).status).to.equal(401)
    expect((await registry().ask('GET', `/ops/gc/${digestOf('content')}`)).status).to.equal(401)
    const { status, headers } = await registry().write('GET', '/ops/gc')
    expect(status).to.equal(405)
    expect(headers.allow).to.equal('POST')
  })

  describe('with a storage of its own', () => {
    const fresh = tmpDir()

    it('POST /ops/gc -> 409 where the index was not made with the store', async () => {
      const storage = await fresh()
      const first = await startRegistry({ storage })
      await pushBlob(first, 'a', 'abc')
      await first.close()
      const index = await new IndexFolder(storage).open(() => {})
      await index.apply([del(COMPLETE, ['store'])])
      await index.close()
      const again = await startRegistry({ storage })
      const { status, text } = await again.write('POST', '/ops/gc')
      await again.close()
      expect(status).to.equal(409)
      expect(text).to.match(/memflow-registry reindex/)
    })

    it('the timer of MEMFLOW_GC_EVERY -> what is of no use goes by itself', async () => {
      const storage = await fresh()
      // With so short a grace period, what an artifact consists of could go before its manifest comes.
      const patient = await startRegistry({ storage })
      await pushArtifact(patient, 'a', 'v1')
      await patient.close()
      const hasty = await startRegistry({ storage, policy: { gcEvery: 5, gcGrace: 1 } })
      const { digest } = await pushBlob(hasty, 'a', 'of no use')
      // Asking for it would keep it.
      const file = join(hasty.storage, 'blobs/sha256', digest.slice(7, 9), digest.slice(7))
      await until(() => !existsSync(file))
      expect((await hasty.ask('GET', `/v2/a/blobs/${digest}`)).code).to.equal('BLOB_UNKNOWN')
      expect((await hasty.ask('GET', `/v2/a/blobs/${digestOf('content')}`)).text).to.equal('content')
      await hasty.close()
    })
  })
})
