import { randomBytes } from 'node:crypto'
import { expect } from 'chai'
import type { RemoteVariant } from '../../src/remote/contract.ts'
import { HttpMemflowUpstream } from '../../src/remote/memflow-upstream.ts'
import { type FaultyUpstream, upstreams } from '../support/faulty-upstream.ts'
import { plugin } from '../support/plugins.ts'
import { json } from '../support/upstream/answers.ts'
import { read, remoteError, settingsFor } from '../support/upstream/asking.ts'
import { body, send, status, without } from '../support/upstream/faults.ts'

const [DESCRIPTOR] = plugin('libmemflow_coredump-0.2.0.x86_64.so').descriptors
const FILE = randomBytes(10_000)

describe('remote/memflow-upstream', () => {
  const start = upstreams()
  let upstream: FaultyUpstream
  let client: HttpMemflowUpstream
  let digest: string

  const variant = (more: object = {}) => ({
    signature: '30'.repeat(70),
    created_at: '2024-03-22T18:14:53.402258600',
    descriptor: { ...DESCRIPTOR, ...more } as RemoteVariant['descriptor'],
  })

  beforeEach(async () => {
    upstream = await start()
    client = new HttpMemflowUpstream(settingsFor(upstream.url))
    digest = upstream.content.plugin(variant(), FILE)
  })

  afterEach(() => client.close())

  it('gives the names with their descriptions', async () => {
    expect(await client.names()).to.deep.equal([{ name: 'coredump', description: DESCRIPTOR?.description }])
  })

  it('gives variants as they are listed', async () => {
    upstream.content.plugin(variant({ architecture: { unknown: 243 }, plugin_version: -7 }), randomBytes(9))
    const [first, second, ...more] = await client.variants('coredump')
    expect(first).to.deep.equal({ digest, ...variant() })
    expect(Object.keys(first ?? {})).to.deep.equal(['digest', 'signature', 'created_at', 'descriptor'])
    expect(Object.keys(first?.descriptor ?? {})).to.deep.equal(Object.keys(DESCRIPTOR ?? {}))
    expect(second?.descriptor).to.include({ plugin_version: -7 })
    expect(second?.descriptor.architecture).to.deep.equal({ unknown: 243 })
    expect(more).to.deep.equal([])
  })

  it('gives no variants of a plugin that is not there', async () => {
    expect(await client.variants('absent')).to.deep.equal([])
  })

  it('gives the metadata of a file, and the file', async () => {
    const { signature, created_at } = variant()
    expect(await client.metadata(digest)).to.deep.equal({
      digest,
      signature,
      created_at,
      descriptors: [DESCRIPTOR],
    })
    const { size, body } = await client.file(digest)
    expect(size).to.equal(FILE.length)
    expect((await read(body)).equals(FILE)).to.equal(true)
  })

  it('gives the size of a file without it, and the file from somewhere on', async () => {
    expect(await client.stat(digest)).to.equal(FILE.length)
    upstream.fail('file', without('content-length'), 1)
    expect(await client.stat(digest)).to.equal(undefined)
    expect(upstream.count('file', 'GET')).to.equal(0)
    const { size, body } = await client.file(digest, 9000)
    expect(size).to.equal(1000)
    expect((await read(body)).equals(FILE.subarray(9000))).to.equal(true)
  })

  it('a file that is not there -> unknown', async () => {
    for (const work of [client.file('0'.repeat(64)), client.metadata('0'.repeat(64))]) {
      expect((await remoteError(work)).failure).to.equal('unknown')
    }
  })

  it('a file of another length than was promised -> wrong', async () => {
    upstream.fail('file', ({ response, answer }) => {
      response.writeHead(200, answer.headers).write(answer.body.subarray(0, 99))
      response.socket?.end()
    })
    const { body } = await client.file(digest)
    expect((await remoteError(read(body))).failure).to.equal('wrong')
  })

  describe('pages', () => {
    it('are walked to the end', async () => {
      for (let i = 1; i < 120; i++) upstream.content.plugin(variant(), Buffer.from(`${i}`))
      const variants = await client.variants('coredump')
      expect(new Set(variants.map(({ digest }) => digest)).size).to.equal(120)
      expect(variants).to.have.length(120)
      expect(upstream.requests.map(({ path }) => path)).to.deep.equal([
        '/plugins/coredump?skip=0&limit=50',
        '/plugins/coredump?skip=50&limit=50',
        '/plugins/coredump?skip=100&limit=50',
      ])
    })

    it('that move while they are walked give each variant once', async () => {
      for (let i = 1; i < 60; i++) upstream.content.plugin(variant(), Buffer.from(`${i}`))
      upstream.fail(
        'variants',
        exchange => {
          send(exchange, exchange.answer)
          const [newest] = upstream.content.variants.splice(-1)
          if (newest) upstream.content.variants.unshift(newest)
        },
        1,
      )
      const variants = await client.variants('coredump')
      expect(new Set(variants.map(({ digest }) => digest)).size).to.equal(variants.length)
      expect(variants).to.have.length(59)
    })

    it('that are all like the first -> wrong, at once', async () => {
      for (let i = 1; i < 60; i++) upstream.content.plugin(variant(), Buffer.from(`${i}`))
      const plugins = upstream.content.variants.slice(0, 50)
      upstream.fail('variants', exchange => send(exchange, json({ plugins, skip: 0 })))
      const error = await remoteError(client.variants('coredump'))
      expect([error.failure, error.message]).to.deep.equal([
        'wrong',
        `GET ${upstream.url}/plugins/coredump: one page of its list is like the other`,
      ])
      expect(upstream.count()).to.equal(2)
    })

    it('that never end -> wrong, after some megabytes', async () => {
      let n = 0
      const description = 'd'.repeat(4000)
      upstream.fail('variants', exchange => {
        const page = Array.from({ length: 50 }, () => ({
          digest: (n++).toString(16).padStart(64, '0'),
          ...variant({ description }),
        }))
        send(exchange, json({ plugins: page, skip: 0 }))
      })
      const error = await remoteError(client.variants('coredump'))
      expect(error.failure).to.equal('wrong')
      expect(error.message).to.match(/it sends more than the \d+\.\d [KM]iB that are taken/)
      expect(upstream.count()).to.be.below(100)
    })
  })

  it('names are encoded; those that would change the path are nowhere', async () => {
    for (const name of ['', '.', '..']) expect(await client.variants(name)).to.deep.equal([])
    expect(upstream.count()).to.equal(0)
    for (const name of ['a/../b', '%2e%2e', '../files', 'ü?x=y#z', '...', '$&']) {
      upstream.content.plugin(variant({ name }), Buffer.from(name))
      expect((await client.variants(name)).map(({ descriptor }) => descriptor.name)).to.deep.equal([name])
    }
  })

  describe('answers', () => {
    const good = () => ({ digest: 'a'.repeat(64), ...variant() })

    for (const [what, change, place] of [
      ['no list', { plugins: 'coredump' }, 'plugins'],
      ['a list of nothing', { plugins: [null] }, 'plugins[0]'],
      ['a digest with its algorithm', { digest: `sha256:${'a'.repeat(64)}` }, 'plugins[0].digest'],
      ['a digest in capitals', { digest: 'A'.repeat(64) }, 'plugins[0].digest'],
      ['no signature', { signature: undefined }, 'plugins[0].signature'],
      ['a signature that is no hex', { signature: 'signed!!'.repeat(16) }, 'plugins[0].signature'],
      ['a signature that is too long', { signature: '30'.repeat(73) }, 'plugins[0].signature'],
      ['a time with a zone', { created_at: '2024-03-22T18:14:53Z' }, 'plugins[0].created_at'],
      ['a time that never was', { created_at: '2024-02-30T18:14:53' }, 'plugins[0].created_at'],
      ['no descriptor', { descriptor: [] }, 'plugins[0].descriptor.plugin_kind'],
    ] as const) {
      it(`with ${what} -> wrong, with the place`, async () => {
        upstream.fail('variants', exchange => {
          const plugins = 'plugins' in change ? change.plugins : [{ ...good(), ...change }]
          send(exchange, json({ plugins, skip: 0 }))
        })
        const error = await remoteError(client.variants('coredump'))
        expect([error.failure, error.message]).to.deep.equal([
          'wrong',
          `GET ${upstream.url}/plugins/coredump: ${place} is not what memflow's REST API has there`,
        ])
      })
    }

    for (const [field, values] of Object.entries({
      plugin_kind: ['Connector', null],
      export_name: [1, 'x'.repeat(4097)],
      file_type: ['ELF', undefined],
      architecture: ['riscv', { unknown: 'x' }, { unknown: 1.5 }, {}, null],
      plugin_version: [2 ** 31, 1.5, '1', null],
      name: [null, {}],
      version: [1],
      description: [undefined],
    })) {
      it(`with a ${field} that is none -> wrong`, async () => {
        for (const value of values) {
          upstream.fail('variants', exchange => {
            send(exchange, json({ plugins: [{ ...good(), ...variant({ [field]: value }) }], skip: 0 }))
          })
          const error = await remoteError(client.variants('coredump'))
          expect(error.failure).to.equal('wrong')
          expect(error.message).to.include(`plugins[0].descriptor.${field}`)
        }
      })
    }

    it('with more than is known -> without it', async () => {
      upstream.fail('variants', body(JSON.stringify({ plugins: [{ ...good(), more: 1 }], next: 'x' })))
      expect(await client.variants('coredump')).to.deep.equal([good()])
    })

    it('about another plugin, or another file -> wrong', async () => {
      upstream.fail('variants', body(JSON.stringify({ plugins: [good()] })))
      expect((await remoteError(client.variants('other'))).message).to.include(
        'the answer has plugins of another name',
      )
      upstream.fail('metadata', exchange => {
        const { signature, created_at } = variant()
        send(exchange, json({ digest: 'a'.repeat(64), signature, created_at, descriptors: [DESCRIPTOR] }))
      })
      expect((await remoteError(client.metadata(digest))).message).to.include(
        'the answer is about another file',
      )
    })

    it('that fail -> failed', async () => {
      upstream.fail('any', status(500))
      for (const work of [
        client.names(),
        client.variants('x'),
        client.metadata(digest),
        client.file(digest),
      ]) {
        expect((await remoteError(work)).failure).to.equal('failed')
      }
    })
  })
})
