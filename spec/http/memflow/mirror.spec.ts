import { request } from 'node:http'
import { expect } from 'chai'
import type { MirrorRules } from '../../../src/core/mirror/mirrors.ts'
import type { MirrorSettings } from '../../../src/mirror-settings.ts'
import { digestOf, hexOf } from '../../../src/oci/digest.ts'
import { decode, encode, ORDER } from '../../../src/signature/der.ts'
import { type FaultyUpstream, upstreams } from '../../support/faulty-upstream.ts'
import { upload } from '../../support/form.ts'
import { memflowMirrorOf, putPlugin } from '../../support/memflow-mirror.ts'
import { type PluginFile, plugin } from '../../support/plugins.ts'
import { blobFile, flip } from '../../support/rot.ts'
import { type RunningRegistry, type ServerOptions, serving, startRegistry } from '../../support/server.ts'
import { signer } from '../../support/signer.ts'
import { copyStorage } from '../../support/storage.ts'
import { tmpDir } from '../../support/tmp.ts'
import { until } from '../../support/until.ts'
import { SHORT } from '../../support/upstream/asking.ts'
import {
  blackhole,
  body,
  cut,
  type Fault,
  hangUp,
  held,
  status,
  trickle,
  wrongBytes,
} from '../../support/upstream/faults.ts'

/** The same signature with n - s for s, which is as good and which memflow's clients refuse. */
function highS(signature: string): string {
  const { r, s } = decode(Buffer.from(signature, 'hex')) ?? { r: 0n, s: 0n }
  return encode({ r, s: ORDER - s }).toString('hex')
}

const LINUX = 'libmemflow_coredump-0.2.0.x86_64.so'
const PAIR = 'libmemflow_pair-0.2.0.x86_64.so'

describe('http/memflow: a mirror', () => {
  const [alice, bob] = [signer(), signer()]
  const running: RunningRegistry[] = []

  afterEach(() => Promise.all(running.splice(0).map(registry => registry.close())))

  /** A registry that mirrors what alice has signed there. */
  async function mirrorOf(
    url: string,
    more: Partial<MirrorSettings & MirrorRules> = {},
    options: ServerOptions = {},
  ) {
    const mirrors = [memflowMirrorOf(url, alice.pem, more)]
    const mirror = await startRegistry({ ...options, policy: { mirrors, ...options.policy } })
    running.push(mirror)
    return mirror
  }

  const digestFor = (file: PluginFile) => hexOf(digestOf(plugin(file).bytes))

  async function publish(registry: RunningRegistry, file: PluginFile, by = alice): Promise<void> {
    const { bytes } = plugin(file)
    const { text } = await registry.write('POST', '/files', upload(bytes, by.sign(bytes)))
    expect(text).to.equal('"Added"')
  }

  /** What is listed, as the files' digests in their order. */
  async function listed(registry: RunningRegistry, path = '/plugins/coredump'): Promise<string[]> {
    const { json, text } = await registry.ask('GET', path)
    expect(json, text).to.have.property('plugins')
    return (json as { plugins: { digest: string }[] }).plugins.map(({ digest }) => digest)
  }

  describe('of another registry of ours', () => {
    const upstream = serving({ keys: alice.pem })
    const FILES: readonly PluginFile[] = [
      LINUX,
      'libmemflow_coredump-0.2.1-abi2.x86_64.so',
      'libmemflow_coredump-0.2.0-beta.1.x86_64.so',
      'memflow_coredump-0.2.0.x86_64.dll',
      'libmemflow_coredump-0.2.0.arm64.dylib',
      'libmemflow_coredump-0.2.0.x86.so',
      PAIR,
    ]

    before(async () => {
      for (const file of FILES) await publish(upstream(), file)
    })

    it('lists what the upstream lists, to the byte, whatever is asked', async () => {
      const mirror = await mirrorOf(upstream().url)
      const short = digestFor(LINUX).slice(0, 7)
      for (const path of [
        '/plugins',
        '/plugins/coredump',
        '/plugins/coredump?limit=50',
        '/plugins/coredump?skip=2&limit=2',
        '/plugins/coredump?skip=18446744073709551615',
        '/plugins/coredump?limit=0',
        '/plugins/coredump?version=0.2.0&file_type=elf&architecture=x86_64&limit=1',
        '/plugins/coredump?memflow_plugin_version=1',
        `/plugins/coredump?version=${short}`,
        `/plugins/coredump?version=${short.slice(0, 1)}`,
        `/plugins/coredump?digest_short=${short}`,
        '/plugins/coredump?version=none',
        '/plugins/qemu',
        '/plugins/none',
        '/plugins/..',
        '/plugins/a%00b',
      ]) {
        const [theirs, ours] = [await upstream().ask('GET', path), await mirror.ask('GET', path)]
        expect(ours.text, path).to.equal(theirs.text)
        expect(ours.headers, path).not.to.have.any.keys('warning', 'age')
      }
    })

    it('gives metadata and file, and has the plugin from then on: for oras too', async () => {
      const mirror = await mirrorOf(upstream().url)
      const digest = digestFor(LINUX)
      const before = await mirror.ask('GET', '/plugins/coredump?limit=50')
      const metadata = await mirror.ask('GET', `/files/${digest}/metadata`)
      expect(metadata.text).to.equal((await upstream().ask('GET', `/files/${digest}/metadata`)).text)
      expect((await mirror.ask('GET', '/v2/coredump/tags/list')).status).to.equal(404)
      const file = await mirror.ask('GET', `/files/${digest}`)
      expect(file.bytes.equals(plugin(LINUX).bytes)).to.equal(true)
      expect(file.headers).to.include({ 'content-length': String(file.bytes.length) })
      const tags = (await mirror.ask('GET', '/v2/coredump/tags/list')).json as { tags: string[] }
      expect(tags.tags).to.include.members(['0.2.0', 'latest'])
      const theirs = await upstream().ask('GET', `/v2/coredump/manifests/${digest.slice(0, 7)}`)
      const ours = await mirror.ask('GET', `/v2/coredump/manifests/${digest.slice(0, 7)}`)
      expect(ours.headers['docker-content-digest']).to.equal(theirs.headers['docker-content-digest'])
      expect((await mirror.ask('GET', `/files/${digest}/metadata`)).text).to.equal(metadata.text)
      expect((await mirror.ask('GET', '/plugins/coredump?limit=50')).text).to.equal(before.text)
      expect((await mirror.ask('GET', `/files/${digest}/analysis`)).status).to.equal(200)
    })

    it('a file with two plugins -> both are here', async () => {
      const mirror = await mirrorOf(upstream().url)
      expect((await mirror.ask('GET', `/files/${digestFor(PAIR)}`)).status).to.equal(200)
      for (const name of ['qemu', 'win32'])
        expect((await mirror.ask('GET', `/v2/${name}/manifests/latest`)).status).to.equal(200)
    })

    it('HEAD -> the size, and nothing is fetched', async () => {
      const mirror = await mirrorOf(upstream().url)
      const head = await mirror.ask('HEAD', `/files/${digestFor(LINUX)}`)
      expect(head.status).to.equal(200)
      expect(head.headers['content-length']).to.equal(String(plugin(LINUX).bytes.length))
      expect((await mirror.ask('GET', '/v2/coredump/tags/list')).status).to.equal(404)
    })

    it('what is only there -> has no analysis here, and no verdict', async () => {
      const mirror = await mirrorOf(upstream().url)
      expect(await mirror.ask('GET', `/files/${digestFor(LINUX)}/analysis`)).to.include({ status: 404 })
      const { json } = await mirror.ask('GET', '/plugins/coredump/compatible?os=linux')
      expect(json).to.have.deep.property('builds', [])
    })

    it('takes pushes beside what it mirrors, and lists both; a plugin that both have once, as it is here', async () => {
      const mirror = await mirrorOf(upstream().url, {}, { keys: bob.pem })
      const own = 'libmemflow_coredump-0.2.0+build.7.x86_64.so'
      const before = await listed(mirror, '/plugins/coredump?limit=50')
      await mirror.ask('GET', `/files/${digestFor(LINUX)}`)
      await publish(mirror, own, bob)
      await publish(mirror, 'libmemflow_coredump-0.2.0.x86.so', bob)
      await publish(mirror, 'libmemflow_native-0.2.0.x86_64.so', bob)
      const after = await listed(mirror, '/plugins/coredump?limit=50')
      expect(after).to.have.members([...before, digestFor(own)])
      expect(after).to.have.length(before.length + 1)
      const { plugins } = (await mirror.ask('GET', '/plugins/coredump?limit=50')).json as {
        plugins: { digest: string; signature: string }[]
      }
      const both = plugins.find(({ digest }) => digest === digestFor('libmemflow_coredump-0.2.0.x86.so'))
      const { bytes } = plugin('libmemflow_coredump-0.2.0.x86.so')
      const local = await mirror.ask('GET', `/files/${both?.digest}/metadata`)
      expect(local.json).to.include({ signature: both?.signature })
      expect(bytes.length).to.be.above(0)
      const { plugins: names } = (await mirror.ask('GET', '/plugins')).json as { plugins: { name: string }[] }
      expect(names.map(({ name }) => name)).to.deep.equal(['coredump', 'native', 'qemu', 'win32'])
      const pages: string[] = []
      for (let skip = 0; skip < after.length; skip += 2)
        pages.push(...(await listed(mirror, `/plugins/coredump?skip=${skip}&limit=2`)))
      expect(pages).to.deep.equal(after)
    })

    it('a plugin that is deleted here -> is the upstream’s again, and comes again', async () => {
      const mirror = await mirrorOf(upstream().url)
      const digest = digestFor(LINUX)
      await mirror.ask('GET', `/files/${digest}`)
      expect((await mirror.write('DELETE', `/files/${digest}`)).status).to.equal(200)
      expect((await mirror.ask('GET', '/v2/coredump/tags/list')).status).to.equal(404)
      expect(await listed(mirror)).to.include(digest)
      expect((await mirror.ask('GET', `/files/${digest}`)).bytes.equals(plugin(LINUX).bytes)).to.equal(true)
    })

    it('what the settings deny -> is not there', async () => {
      const mirror = await mirrorOf(upstream().url, { allow: ['*'], deny: ['win*', 'core*'] })
      const { json } = await mirror.ask('GET', '/plugins')
      expect((json as { plugins: { name: string }[] }).plugins.map(({ name }) => name)).to.deep.equal([
        'qemu',
      ])
      expect(await listed(mirror)).to.deep.equal([])
      for (const file of [LINUX, PAIR] as const) {
        for (const path of ['', '/metadata'])
          expect(await mirror.ask('GET', `/files/${digestFor(file)}${path}`)).to.include({ status: 404 })
      }
    })

    it('a file that has rotted here -> is fetched again', async () => {
      const mirror = await mirrorOf(upstream().url)
      const digest = digestFor(LINUX)
      await mirror.ask('GET', `/files/${digest}`)
      const { storage } = mirror
      await flip(blobFile(storage, digestOf(plugin(LINUX).bytes)), 0)
      for (let i = 0; i < 2; i++) {
        const file = await mirror.ask('GET', `/files/${digest}`)
        expect(file.bytes.equals(plugin(LINUX).bytes)).to.equal(true)
      }
    })

    it('two of them -> each plugin once', async () => {
      const other = await startRegistry({ keys: alice.pem })
      running.push(other)
      await publish(other, LINUX)
      await publish(other, 'libmemflow_native-0.2.0.x86_64.so')
      const mirrors = [
        memflowMirrorOf(upstream().url, alice.pem),
        memflowMirrorOf(other.url, alice.pem, { name: 'other' }),
      ]
      const mirror = await startRegistry({ policy: { mirrors } })
      running.push(mirror)
      const all = await listed(mirror, '/plugins/coredump?limit=50')
      expect(all).to.have.members(await listed(upstream(), '/plugins/coredump?limit=50'))
      expect(new Set(all).size).to.equal(all.length)
      for (const file of ['libmemflow_native-0.2.0.x86_64.so', LINUX] as const)
        expect((await mirror.ask('GET', `/files/${digestFor(file)}`)).status).to.equal(200)
    })
  })

  describe('of an upstream that is watched', () => {
    const start = upstreams()
    const fresh = tmpDir()
    let upstream: FaultyUpstream
    /** A storage with a plugin of its own. */
    let stored: string

    before(async () => {
      stored = await fresh()
      const registry = await startRegistry({ storage: stored })
      await publish(registry, 'libmemflow_native-0.2.0.x86_64.so')
      await registry.close()
    })

    beforeEach(async () => {
      upstream = await start()
    })

    it('asks for a list once in its time, and for a plugin that is not there once in a while', async () => {
      const mirror = await mirrorOf(upstream.url)
      putPlugin(upstream, LINUX, alice)
      for (let i = 0; i < 3; i++) {
        await Promise.all([1, 2, 3].map(() => listed(mirror, '/plugins')))
        await Promise.all([1, 2, 3].map(() => listed(mirror)))
        await Promise.all([1, 2, 3].map(() => listed(mirror, '/plugins/none')))
      }
      expect(upstream.requests.map(({ kind }) => kind)).to.deep.equal(['names', 'variants', 'variants'])
    })

    it('past its time -> what came and went there comes and goes here', async () => {
      const mirror = await mirrorOf(upstream.url, { tagTtl: 0 })
      const digest = putPlugin(upstream, LINUX, alice)
      expect(await listed(mirror)).to.deep.equal([digest])
      const dll = putPlugin(upstream, 'memflow_coredump-0.2.0.x86_64.dll', alice, {
        created_at: '2025-01-01T00:00:00',
      })
      expect(await listed(mirror)).to.deep.equal([dll, digest])
      upstream.content.variants.shift()
      expect(await listed(mirror)).to.deep.equal([dll])
      upstream.content.variants.shift()
      expect(await listed(mirror)).to.deep.equal([])
      expect((await mirror.ask('GET', '/plugins')).json).to.deep.equal({ plugins: [] })
    })

    it('a high-S signature -> is served as the low-S one that clients take', async () => {
      const mirror = await mirrorOf(upstream.url)
      const { bytes } = plugin(LINUX)
      const digest = putPlugin(upstream, LINUX, alice, { signature: highS(alice.sign(bytes)) })
      const { json } = await mirror.ask('GET', '/plugins/coredump')
      const { signature } = (json as { plugins: { signature: string }[] }).plugins[0] ?? expect.fail()
      expect(signature).not.to.equal(upstream.content.variants[0]?.signature)
      expect((await mirror.ask('GET', `/files/${digest}/metadata`)).json).to.include({ signature })
      await mirror.ask('GET', `/files/${digest}`)
      expect((await mirror.ask('GET', `/files/${digest}/metadata`)).json).to.include({ signature })
    })

    it('50 clients at once -> one transfer', async () => {
      const mirror = await mirrorOf(upstream.url)
      const digest = putPlugin(upstream, LINUX, alice)
      upstream.fail('file', trickle(10_000))
      const pulls = Array.from({ length: 50 }, async () => {
        const { bytes } = await mirror.ask('GET', `/files/${digest}`)
        expect(hexOf(digestOf(bytes))).to.equal(digest)
      })
      await Promise.all(pulls)
      expect(upstream.count('file')).to.equal(1)
      await mirror.ask('GET', `/files/${digest}`)
      expect(upstream.count('file')).to.equal(1)
    })

    it('a slow upstream -> the first bytes come at once, to whoever asks, and the rest when the first has left', async () => {
      const mirror = await mirrorOf(upstream.url)
      const digest = putPlugin(upstream, LINUX, alice)
      const { bytes } = plugin(LINUX)
      upstream.fail('file', trickle(3 * bytes.length))
      const first = () =>
        new Promise<number>((resolve, reject) => {
          const asked = request(`${mirror.url}/files/${digest}`, { agent: false }, answer => {
            answer.once('data', chunk => {
              resolve(chunk.length)
              asked.destroy()
            })
            answer.on('error', () => {})
          })
          asked.on('error', reject).end()
        })
      for (let i = 0; i < 2; i++) expect(await first()).to.be.below(bytes.length)
      expect((await mirror.ask('GET', `/files/${digest}`)).bytes.equals(Buffer.from(bytes))).to.equal(true)
      expect((await mirror.ask('GET', '/v2/coredump/manifests/latest')).status).to.equal(200)
      expect(upstream.count('file')).to.equal(1)
    })

    it('a transfer that breaks off -> goes on where it stood', async () => {
      const mirror = await mirrorOf(upstream.url)
      const digest = putPlugin(upstream, LINUX, alice)
      upstream.fail('file', cut(1000, 'reset'), 1)
      const file = await mirror.ask('GET', `/files/${digest}`)
      expect(file.bytes.equals(plugin(LINUX).bytes)).to.equal(true)
    })

    it('a file that is too large -> 502, and nothing is kept', async () => {
      const mirror = await mirrorOf(upstream.url, {}, { policy: { maxPluginSize: 2048 } })
      const digest = putPlugin(upstream, LINUX, alice)
      const { status, text } = await mirror.ask('GET', `/files/${digest}`)
      expect(status).to.equal(502)
      expect(text).to.match(/it sends more than the 2/)
    })

    it('a signature that does not verify -> 502 that says so, no byte is asked for, nothing is kept', async () => {
      const mirror = await mirrorOf(upstream.url)
      const digest = putPlugin(upstream, LINUX, bob)
      for (const [method, path] of [
        ['GET', ''],
        ['GET', '/metadata'],
        ['HEAD', ''],
      ] as const) {
        const answer = await mirror.ask(method, `/files/${digest}${path}`)
        expect(answer.status).to.equal(502)
        if (method === 'GET')
          expect(answer.text).to.match(/the signature of \w+ is of none of the public keys/)
      }
      expect(upstream.count('file')).to.equal(0)
      expect(await mirror.staged()).to.deep.equal([])
      expect((await mirror.ask('GET', '/v2/_catalog')).json).to.deep.equal({ repositories: [] })
    })

    it('a name that leads a client astray -> 502', async () => {
      const mirror = await mirrorOf(upstream.url)
      const { bytes, descriptors } = plugin(LINUX)
      const descriptor = { ...(descriptors[0] ?? expect.fail()), name: '../../evil' }
      const variant = { signature: alice.sign(bytes), created_at: '2024-03-22T18:14:53', descriptor }
      const digest = upstream.content.plugin(variant, bytes)
      for (const path of ['', '/metadata'])
        expect((await mirror.ask('GET', `/files/${digest}${path}`)).status).to.equal(502)
      expect(await listed(mirror, '/plugins')).to.deep.equal([])
    })

    it('one that verifies by a key of this registry -> is fine', async () => {
      const mirror = await mirrorOf(upstream.url, {}, { keys: bob.pem })
      const digest = putPlugin(upstream, LINUX, bob)
      expect((await mirror.ask('GET', `/files/${digest}`)).status).to.equal(200)
    })

    it('wrong bytes -> the connection is cut, nothing is kept, and the next pull is right', async () => {
      const mirror = await mirrorOf(upstream.url)
      const digest = putPlugin(upstream, LINUX, alice)
      upstream.fail('file', wrongBytes, 1)
      const broken = await mirror.ask('GET', `/files/${digest}`).catch(error => error)
      expect(broken).to.include({ code: 'ECONNRESET' })
      expect((await mirror.ask('GET', '/v2/_catalog')).json).to.deep.equal({ repositories: [] })
      expect((await mirror.ask('GET', `/files/${digest}`)).bytes.equals(plugin(LINUX).bytes)).to.equal(true)
    })

    it('what it does not have -> 404, and it is asked once in a while', async () => {
      const mirror = await mirrorOf(upstream.url)
      const none = '0'.repeat(64)
      for (const [method, path] of [
        ['GET', ''],
        ['GET', '/metadata'],
        ['HEAD', ''],
        ['GET', ''],
      ] as const)
        expect((await mirror.ask(method, `/files/${none}${path}`)).status).to.equal(404)
      expect(upstream.requests).to.have.length(1)
      expect((await mirror.ask('GET', `/files/${none}`)).text).to.equal('plugin not found')
    })

    const NOT_FOUND = status(404)
    const FAULTS: [name: string, fault: Fault, status: number][] = [
      ['refuses', status(403), 502],
      ['is busy', status(429, { 'retry-after': '700' }), 429],
      ['fails', status(500), 502],
      ['is another kind of server', NOT_FOUND, 502],
      ['never answers', blackhole, 504],
      ['hangs up', hangUp, 503],
      ['sends no list', body('[]'), 502],
    ]

    it('that fails -> what was fetched is served', async () => {
      const mirror = await mirrorOf(upstream.url, { tagTtl: 0 })
      const digest = putPlugin(upstream, LINUX, alice)
      await mirror.ask('GET', `/files/${digest}`)
      await upstream.stop()
      for (const path of ['', '/metadata', '/analysis']) {
        const { status, headers } = await mirror.ask('GET', `/files/${digest}${path}`)
        expect(status, path).to.equal(200)
        expect(headers).not.to.have.property('warning')
      }
    })

    for (const [name, fault, expected] of FAULTS) {
      it(`${name} -> what is known of it with Warning and Age, what is here with Warning, else ${expected}`, async () => {
        const storage = await fresh()
        await copyStorage(stored, storage)
        let mirror = await mirrorOf(upstream.url, { tagTtl: 0 }, { storage })
        const digest = putPlugin(upstream, LINUX, alice)
        putPlugin(upstream, PAIR, alice)
        await listed(mirror, '/plugins')
        const before = await mirror.ask('GET', '/plugins/coredump')
        upstream.fail('any', fault)
        if (fault === blackhole) {
          // The sound upstream could take as long as it took; for the silent one, requests wait a short time.
          await mirror.close()
          mirror = await mirrorOf(upstream.url, { tagTtl: 0, ...SHORT }, { storage })
        }
        const kept = await mirror.ask('GET', '/plugins/coredump')
        expect(kept.text).to.equal(before.text)
        expect(kept.headers.warning).to.match(/^299 - ".+"$/)
        expect(kept.headers.age).to.match(/^\d+$/)
        const names = await mirror.ask('GET', '/plugins')
        expect(names.json).to.have.property('plugins').with.length(4)
        expect(names.headers).to.include.all.keys('warning', 'age')
        const local = await mirror.ask('GET', '/plugins/native')
        expect(local.json).to.have.property('plugins').with.length(2)
        expect(local.headers.warning).to.match(/^299 - ".+"$/)
        expect(local.headers).not.to.have.property('age')
        for (const path of ['/plugins/qemu', `/files/${digest}`, `/files/${digest}/metadata`]) {
          const { status, headers, text } = await mirror.ask('GET', path)
          // That it does not have a file is something that an upstream may say; and a dead one is not asked for ever.
          const unknown = fault === NOT_FOUND && path.startsWith('/files')
          const left = /not asked, it is tried again/.test(text)
          expect(status, `${path}: ${text}`).to.equal(unknown ? 404 : left ? 503 : expected)
          expect(headers['content-type']).to.equal('text/plain; charset=utf-8')
          if (expected === 429) expect(Number(headers['retry-after'])).to.be.within(1, 700)
          else expect(headers).not.to.have.property('retry-after')
        }
        expect(await mirror.staged()).to.deep.equal([])
      })
    }

    it('a dead upstream with nothing here -> an error, and an answer again when it is back', async () => {
      const mirror = await mirrorOf(upstream.url)
      await upstream.stop()
      expect(await mirror.ask('GET', '/plugins')).to.include({ status: 503 })
      await upstream.resume()
      expect(await mirror.ask('GET', '/plugins')).to.include({ status: 200 })
    })

    it('a slow list -> nobody who has an answer waits for it, and it is used when it is there', async () => {
      const mirror = await mirrorOf(upstream.url, { tagTtl: 0, patience: 20 })
      const digest = putPlugin(upstream, LINUX, alice)
      await listed(mirror)
      const dll = putPlugin(upstream, 'memflow_coredump-0.2.0.x86_64.dll', alice, {
        created_at: '2025-01-01T00:00:00',
      })
      const { fault, release } = held()
      upstream.fail('variants', fault, 1)
      for (let i = 0; i < 3; i++) {
        const { headers, text } = await mirror.ask('GET', '/plugins/coredump')
        expect(text).not.to.contain(dll)
        expect(headers.warning).to.match(/it has not answered yet/)
      }
      expect(upstream.count('variants')).to.equal(2)
      release()
      await until(async () => (await listed(mirror)).includes(dll))
      expect(await listed(mirror)).to.deep.equal([dll, digest])
    })

    it('a restart -> what was known is known', async () => {
      const storage = await fresh()
      const mirror = await mirrorOf(upstream.url, {}, { storage })
      const digest = putPlugin(upstream, LINUX, alice)
      expect(await listed(mirror)).to.deep.equal([digest])
      await running.pop()?.close()
      await upstream.stop()
      const again = await mirrorOf(upstream.url, {}, { storage })
      expect(await listed(again)).to.deep.equal([digest])
    })
  })
})
