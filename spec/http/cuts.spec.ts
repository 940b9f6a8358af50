import { randomBytes } from 'node:crypto'
import { readdirSync, readlinkSync } from 'node:fs'
import { readdir } from 'node:fs/promises'
import type { Server } from 'node:http'
import { join } from 'node:path'
import { expect } from 'chai'
// From the sources in any case: what is counted here is state of these modules.
import { compose } from '../../src/compose.ts'
import { loadConfig } from '../../src/config.ts'
import type { Fill } from '../../src/core/mirror/fill.ts'
import { Fills } from '../../src/core/mirror/fills.ts'
import { heldMemory } from '../../src/http/held-memory.ts'
import { transfers } from '../../src/http/transfers.ts'
import { LevelIndex } from '../../src/index/level-index.ts'
import { createLogger } from '../../src/log.ts'
import { type Digest, digestOf, hexOf } from '../../src/oci/digest.ts'
import { OCI_INDEX } from '../../src/oci/media-types.ts'
import { ask } from '../support/ask.ts'
import { CUTS, cutOff, type RawRequest } from '../support/cuts.ts'
import { FaultyUpstream } from '../support/faulty-upstream.ts'
import { upload } from '../support/form.ts'
import { mirrorOf } from '../support/mirror.ts'
import { imageIndex, putManifest } from '../support/oci.ts'
import { plugin } from '../support/plugins.ts'
import { listen, type RunningRegistry } from '../support/server.ts'
import { returnStorage, takeStorage } from '../support/storage.ts'
import { until } from '../support/until.ts'
import { stalled } from '../support/upstream/faults.ts'

const AUTHORIZED = 'Authorization: Bearer secret'
const MIB = 1024 * 1024

/** What requests can hold. */
interface Held {
  readonly connections: number
  /** Open files of blobs and uploads. */
  readonly files: readonly string[]
  readonly staged: readonly string[]
  readonly chunkBytes: number
  readonly bodyBytes: number
  readonly snapshots: number
}

describe('http/cuts', () => {
  let storage: string
  let upstream: FaultyUpstream
  let url: string
  let server: Server
  let close: () => Promise<void>
  let large: Digest
  let session = ''
  let snapshots = 0
  /** What is held while no request is at work. */
  let quiet: Held
  const whole = LevelIndex.prototype.snapshot
  const { paused } = Fills.prototype
  const { bytes: binary } = plugin('libmemflow_coredump-0.2.0.x86_64.so')

  const write = (method: string, path: string, body?: Uint8Array, headers = {}) =>
    ask(url, method, path, { headers: { authorization: 'Bearer secret', ...headers }, body })

  const document = (bytes: number) =>
    imageIndex([], { annotations: { text: randomBytes(bytes / 2).toString('hex') } })

  before(async () => {
    LevelIndex.prototype.snapshot = function (this: LevelIndex) {
      const snapshot = whole.call(this)
      snapshots++
      return Object.assign(snapshot, {
        close: ((end: () => Promise<void>) => () => {
          snapshots--
          return end()
        })(snapshot.close.bind(snapshot)),
      })
    }
    // A transfer without readers waits for ten seconds; what it gives back then is the same.
    Fills.prototype.paused = (fill: Fill) => fill.giveUp()
    storage = await takeStorage()
    upstream = await FaultyUpstream.start()
    const config = {
      ...loadConfig({ MEMFLOW_STORAGE_ROOT: storage }),
      bearerToken: 'secret',
      mirrors: [mirrorOf(upstream.url, { connectTimeout: 2000, idleTimeout: 200 })],
    }
    const composition = await compose(config, createLogger('off'))
    const running = await listen(composition.app)
    ;({ url, server } = running)
    close = async () => {
      await running.close()
      await composition.close()
    }
    const blob = randomBytes(3 * MIB)
    large = digestOf(blob)
    await write('POST', `/v2/a/blobs/uploads/?digest=${large}`, blob)
    await write('POST', `/v2/a/blobs/uploads/?digest=${digestOf('small')}`, Buffer.from('small'))
    await putManifest(
      { write: (m, p, q) => write(m, p, q?.body as Uint8Array, q?.headers) } as RunningRegistry,
      'a',
      'v1',
      document(MIB),
    )
    // Of many kilobytes in all, so that the rows of a backup do not fit into one write.
    for (let i = 0; i < 20; i++)
      await write('PUT', `/v2/b/manifests/v${i}`, document(50_000), { 'content-type': OCI_INDEX })
    const { headers, body } = upload(binary, 'x'.repeat(140))
    expect((await write('POST', '/files', body, headers)).status).to.equal(200)
    const { headers: begun } = await write('POST', '/v2/a/blobs/uploads/')
    session = begun.location ?? ''
    quiet = { connections: 0, files: [], staged: await staged(), chunkBytes: 0, bodyBytes: 0, snapshots: 0 }
    expect(quiet.staged).to.have.length(1)
  })

  after(async () => {
    await close()
    await upstream.stop()
    LevelIndex.prototype.snapshot = whole
    Fills.prototype.paused = paused
    await returnStorage(storage)
  })

  const staged = () => readdir(join(storage, 'uploads'))

  async function held(): Promise<Held> {
    const connections = await new Promise<number>((resolve, reject) =>
      server.getConnections((error, count) => (error ? reject(error) : resolve(count))),
    )
    const files = readdirSync('/proc/self/fd').flatMap(fd => {
      try {
        const path = readlinkSync(`/proc/self/fd/${fd}`)
        return /\/(?:blobs|uploads)\//.test(path) && path.startsWith(storage) ? [path] : []
      } catch {
        return []
      }
    })
    return {
      connections,
      files,
      staged: await staged(),
      chunkBytes: transfers.bytes,
      bodyBytes: heldMemory.bytes,
      snapshots,
    }
  }

  /** Waits until no more is held than at the beginning. */
  async function expectQuiet(): Promise<void> {
    await until(
      async () => JSON.stringify(await held()) === JSON.stringify(quiet),
      () => 'all to be given back',
    ).catch(async error => {
      expect(await held()).to.deep.equal(quiet)
      throw error
    })
  }

  const form = () => upload(randomBytes(300_000), 'x'.repeat(140))
  const routes: Record<string, () => RawRequest> = {
    'GET a manifest': () => ({ method: 'GET', path: '/v2/a/manifests/v1' }),
    'GET a small blob': () => ({ method: 'GET', path: `/v2/a/blobs/${digestOf('small')}` }),
    'GET a large blob': () => ({ method: 'GET', path: `/v2/a/blobs/${large}?${Math.random()}` }),
    'GET a range': () => ({
      method: 'GET',
      path: `/v2/a/blobs/${large}`,
      headers: ['Range: bytes=10-2500000'],
    }),
    'GET several ranges': () => ({
      method: 'GET',
      path: `/v2/a/blobs/${large}`,
      headers: ['Range: bytes=10-900000,1000000-1500000,2000000-2500000'],
    }),
    'POST /token': () => ({
      method: 'POST',
      path: '/token',
      headers: ['Content-Type: application/x-www-form-urlencoded'],
      body: Buffer.from('grant_type=password&username=me&password=secret&access_type=offline'),
    }),
    'HEAD a blob': () => ({ method: 'HEAD', path: `/v2/a/blobs/${large}` }),
    'GET tags': () => ({ method: 'GET', path: '/v2/b/tags/list' }),
    'GET the catalog': () => ({ method: 'GET', path: '/v2/_catalog' }),
    'GET /plugins': () => ({ method: 'GET', path: '/plugins' }),
    'GET a file': () => ({ method: 'GET', path: `/files/${hexOf(digestOf(binary))}?${Math.random()}` }),
    'GET /health with a body': () => ({
      method: 'GET',
      path: '/health',
      headers: ['Content-Length: 5'],
      body: Buffer.from('hello'),
    }),
    'GET /token': () => ({ method: 'GET', path: '/token?scope=repository:a:pull' }),
    'GET /ops/backup': () => ({ method: 'GET', path: '/ops/backup', headers: [AUTHORIZED] }),
    'POST /ops/gc': () => ({ method: 'POST', path: '/ops/gc?dry-run', headers: [AUTHORIZED] }),
    'POST a blob': () => {
      const body = randomBytes(700_000)
      return {
        method: 'POST',
        path: `/v2/a/blobs/uploads/?digest=${digestOf(body)}`,
        headers: [AUTHORIZED],
        body,
      }
    },
    'POST a blob after 100 Continue': () => {
      const body = randomBytes(700_000)
      const headers = [AUTHORIZED, 'Expect: 100-continue']
      return { method: 'POST', path: `/v2/a/blobs/uploads/?digest=${digestOf(body)}`, headers, body }
    },
    'POST a blob that is refused': () => ({
      method: 'POST',
      path: `/v2/a/blobs/uploads/?digest=${large}`,
      body: randomBytes(700_000),
    }),
    'PATCH an upload': () => ({
      method: 'PATCH',
      path: session,
      headers: [AUTHORIZED],
      body: randomBytes(700_000),
    }),
    'PUT an upload of another digest': () => ({
      method: 'PUT',
      path: `${session}?digest=${large}`,
      headers: [AUTHORIZED],
      body: randomBytes(100_000),
    }),
    'PUT a manifest': () => ({
      method: 'PUT',
      path: '/v2/a/manifests/v2',
      headers: [AUTHORIZED, `Content-Type: ${OCI_INDEX}`],
      body: document(MIB),
    }),
    'POST /files': () => {
      const { headers, body } = form()
      return {
        method: 'POST',
        path: '/files',
        headers: [AUTHORIZED, `Content-Type: ${headers['content-type']}`],
        body,
      }
    },
    'GET a blob of a mirror whose upstream stalls': () => {
      upstream.fail('blob', stalled(100_000))
      return { method: 'GET', path: `/v2/up/app/blobs/${upstream.content.blob(randomBytes(200_000))}` }
    },
    CONNECT: () => ({ method: 'CONNECT', path: 'x:80' }),
    'an Upgrade': () => ({
      method: 'GET',
      path: '/health',
      headers: ['Connection: Upgrade', 'Upgrade: h2c'],
    }),
  }

  for (const [route, request] of Object.entries(routes)) {
    describe(route, () => {
      for (const [what, cut] of Object.entries(CUTS)) {
        it(`leaves nothing open after ${what}`, async () => {
          await cutOff(url, request(), cut)
          await expectQuiet()
        })
      }

      // What a cut request was still at, at the end of its test, shows here at the latest.
      it('leaves no lock behind', async () => {
        const { status } = await write('PUT', '/v2/a/manifests/v3', document(1000), {
          'content-type': OCI_INDEX,
        })
        expect(status).to.equal(201)
        const chunk = await write('PATCH', session, Buffer.from('more'))
        expect(chunk.status).to.equal(202)
        const { headers, body } = upload(binary, 'x'.repeat(140))
        expect((await write('POST', '/files', body, headers)).status).to.equal(200)
        expect((await write('POST', '/ops/gc?dry-run')).text).to.match(/"collected"/)
        await expectQuiet()
      })
    })
  }
})
