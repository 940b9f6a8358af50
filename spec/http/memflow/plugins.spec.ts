import { expect } from 'chai'
import { digestOf, hexOf } from '../../../src/oci/digest.ts'
import { upload } from '../../support/form.ts'
import { type PluginFile, plugin } from '../../support/plugins.ts'
import { serving } from '../../support/server.ts'
import { signer } from '../../support/signer.ts'

interface Variant {
  readonly digest: string
  readonly created_at: string
  readonly descriptor: Record<string, unknown>
}

/** In the order in which they are uploaded. */
const FILES: readonly PluginFile[] = [
  'libmemflow_coredump-0.2.0.x86_64.so',
  'libmemflow_coredump-0.2.1-abi2.x86_64.so',
  'libmemflow_coredump-0.2.0-beta.1.x86_64.so',
  'memflow_coredump-0.2.0.x86_64.dll',
  'libmemflow_coredump-0.2.0.arm64.dylib',
  'libmemflow_coredump-0.2.0+build.7.x86_64.so',
  'libmemflow_coredump-0.2.0.x86.so',
  'libmemflow_pair-0.2.0.x86_64.so',
]

describe('http/memflow/plugins', () => {
  const { pem, sign } = signer()
  const registry = serving({ keys: pem })
  const get = (path: string) => registry().ask('GET', path)
  const digestFor = (file: PluginFile) => hexOf(digestOf(plugin(file).bytes))

  let begun: number

  before(async () => {
    begun = Date.now()
    for (const file of FILES) {
      const { bytes } = plugin(file)
      const { status, text } = await registry().write('POST', '/files', upload(bytes, sign(bytes)))
      expect(status, text).to.equal(200)
    }
  })

  async function variants(query = '', name = 'coredump'): Promise<Variant[]> {
    const { text } = await get(`/plugins/${name}${query}`)
    return (JSON.parse(text) as { plugins: Variant[] }).plugins
  }

  /** The files that the answer lists, in its order. */
  async function files(query = '', name = 'coredump'): Promise<(PluginFile | undefined)[]> {
    return (await variants(query, name)).map(({ digest }) => FILES.find(file => digestFor(file) === digest))
  }

  describe('GET /plugins', () => {
    it('-> 200 with names and descriptions, bytewise by name, to the byte', async () => {
      const { status, headers, text } = await get('/plugins')
      expect(status).to.equal(200)
      expect(headers['content-type']).to.equal('application/json')
      expect(text).to.equal(
        '{"plugins":[' +
          '{"name":"coredump","description":"Kernspeicher from a core dump – ELF, Windows and raw"},' +
          '{"name":"qemu","description":"A connector and an OS in one file"},' +
          '{"name":"win32","description":"A connector and an OS in one file"}]}',
      )
      expect(headers['content-length']).to.equal(String(Buffer.byteLength(text)))
    })

    it('HEAD -> the content-length of GET', async () => {
      for (const path of [
        '/plugins',
        '/plugins/coredump',
        '/health',
        `/files/${digestFor(FILES[0] as PluginFile)}`,
      ]) {
        const [one, two] = [await registry().ask('HEAD', path), await get(path)]
        expect(one.status).to.equal(200)
        expect(one.headers['content-length']).to.equal(two.headers['content-length'])
        expect(one.headers['content-type']).to.equal(two.headers['content-type'])
        expect(one.bytes).to.have.length(0)
      }
    })
  })

  describe('GET /plugins/{name}', () => {
    it('-> 200 with the variant, to the byte', async () => {
      const { bytes } = plugin('libmemflow_coredump-0.2.1-abi2.x86_64.so')
      const { headers, text } = await get('/plugins/coredump?limit=1')
      const { created_at } = JSON.parse(text).plugins[0] as Variant
      expect(headers['content-type']).to.equal('application/json')
      const { plugins } = JSON.parse(text) as { plugins: { signature: string }[] }
      expect(plugins[0]?.signature).to.match(/^30[0-9a-f]+$/)
      expect(text).to.equal(
        `{"plugins":[{"digest":"${hexOf(digestOf(bytes))}","signature":"${plugins[0]?.signature}",` +
          `"created_at":"${created_at}","descriptor":{"plugin_kind":"connector",` +
          '"export_name":"MEMFLOW_CONNECTOR_COREDUMP","file_type":"elf","architecture":"x86_64",' +
          '"plugin_version":2,"name":"coredump","version":"0.2.1",' +
          '"description":"Kernspeicher from a core dump – ELF, Windows and raw"}}],"skip":0}',
      )
    })

    it('created_at -> UTC without a zone, at most nine digits, now', async () => {
      for (const { created_at } of await variants()) {
        expect(created_at).to.match(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{3}|\.\d{6}|\.\d{9})?$/)
        expect(Date.parse(`${created_at.slice(0, 23)}Z`)).to.be.within(begun, Date.now())
      }
    })

    it('-> by plugin_version, betas last, then the newest first', async () => {
      expect(await files('?limit=50')).to.deep.equal([
        'libmemflow_coredump-0.2.1-abi2.x86_64.so',
        'libmemflow_coredump-0.2.0.x86.so',
        'libmemflow_coredump-0.2.0+build.7.x86_64.so',
        'libmemflow_coredump-0.2.0.arm64.dylib',
        'memflow_coredump-0.2.0.x86_64.dll',
        'libmemflow_coredump-0.2.0.x86_64.so',
        'libmemflow_coredump-0.2.0-beta.1.x86_64.so',
      ])
    })

    it('skip and limit -> the part of the list; 5 without limit, none with 0', async () => {
      const all = await files('?limit=50')
      expect(await files()).to.deep.equal(all.slice(0, 5))
      expect(await files('?skip=2&limit=3')).to.deep.equal(all.slice(2, 5))
      expect(await files('?skip=6')).to.deep.equal(all.slice(6))
      expect(await files('?skip=7')).to.deep.equal([])
      expect(await files('?limit=0')).to.deep.equal([])
      expect(await files('?limit=0&skip=1')).to.deep.equal([])
      expect(await files('?skip=18446744073709551615')).to.deep.equal([])
    })

    for (const [query, expected] of [
      ['version=0.2.1', ['libmemflow_coredump-0.2.1-abi2.x86_64.so']],
      ['version=0.2.0-beta.1', ['libmemflow_coredump-0.2.0-beta.1.x86_64.so']],
      ['version=0.2.0%2Bbuild.7', ['libmemflow_coredump-0.2.0+build.7.x86_64.so']],
      ['version=0.2.0+build.7', []],
      ['version=0.2', []],
      ['version=latest', []],
      [`version=${'9'.repeat(5000)}`, []],
      ['memflow_plugin_version=2', ['libmemflow_coredump-0.2.1-abi2.x86_64.so']],
      ['memflow_plugin_version=-5', ['libmemflow_coredump-0.2.0-beta.1.x86_64.so']],
      ['memflow_plugin_version=3', []],
      ['file_type=pe', ['memflow_coredump-0.2.0.x86_64.dll']],
      ['file_type=mach', ['libmemflow_coredump-0.2.0.arm64.dylib']],
      ['architecture=x86', ['libmemflow_coredump-0.2.0.x86.so']],
      ['architecture=arm', []],
      [
        'file_type=elf&architecture=x86_64&version=0.2.0&memflow_plugin_version=1',
        ['libmemflow_coredump-0.2.0.x86_64.so'],
      ],
      // Filters first, then skip: the original did it the other way round.
      ['file_type=pe&skip=1', []],
      [
        'file_type=elf&architecture=x86_64&skip=1&limit=2',
        ['libmemflow_coredump-0.2.0+build.7.x86_64.so', 'libmemflow_coredump-0.2.0.x86_64.so'],
      ],
    ] as const) {
      it(`?${query.slice(0, 80)} -> ${expected.length} of seven`, async () => {
        expect(await files(`?${query}`)).to.deep.equal(expected)
      })
    }

    it('version=, digest= and digest_short= -> how the digest begins, or all of it', async () => {
      const file = 'libmemflow_coredump-0.2.0.x86_64.so'
      const digest = digestFor(file)
      for (const query of [
        `version=${digest.slice(0, 7)}`,
        `version=${digest}`,
        `digest=${digest}`,
        `digest=sha256:${digest}`,
        `digest_short=${digest.slice(0, 7)}`,
        `digest=${digest}&digest_short=${digest.slice(0, 7)}&file_type=elf`,
      ]) {
        expect(await files(`?${query}`), query).to.deep.equal([file])
      }
      for (const query of [
        `version=${digest}0`,
        `digest=${digest}0`,
        `digest_short=${digest.slice(0, 7)}&file_type=pe`,
        `digest=${digest.toUpperCase()}`,
        `digest=${digest}&version=0.2.1`,
      ]) {
        expect(await files(`?${query}`), query).to.deep.equal([])
      }
    })

    it('version=, digest= with nothing behind it -> all', async () => {
      expect(await files('?version=&limit=50')).to.have.length(7)
      expect(await files('?digest=&digest_short=&limit=50')).to.have.length(7)
    })

    it('a file with two plugins -> under both names', async () => {
      for (const name of ['qemu', 'win32']) {
        const [variant, ...others] = await variants('', name)
        expect(others).to.deep.equal([])
        expect(variant?.digest).to.equal(digestFor('libmemflow_pair-0.2.0.x86_64.so'))
        expect(variant?.descriptor.name).to.equal(name)
      }
    })

    for (const name of [
      'x',
      'Coredump',
      'core',
      'a%2Fb',
      '..%2F..%2Fetc',
      '%00',
      'a+b',
      '%F0%9F%98%80',
      '__proto__',
    ]) {
      it(`of an unknown name (${name}) -> 200 with an empty list`, async () => {
        const { status, text } = await get(`/plugins/${name}`)
        expect(status).to.equal(200)
        expect(text).to.equal('{"plugins":[],"skip":0}')
      })
    }

    it('of a name in percent-encoding -> the same as without', async () => {
      expect(await files('?limit=1', '%63ore%64ump')).to.deep.equal(await files('?limit=1'))
    })
  })

  describe('routes', () => {
    for (const path of [
      '/',
      '/Plugins',
      '/PLUGINS/coredump',
      '/plugins/',
      '/plugins/coredump/',
      '/plugins/coredump/x',
      '//plugins',
      '/plugins/../plugins',
      '/files/',
      '/Health',
      '/health/',
      '/x',
      '/%ff',
      '/v2x',
      '/V2/',
    ]) {
      it(`GET ${path} -> 404`, async () => {
        const { status, headers, text } = await get(path)
        expect(status).to.equal(404)
        expect(headers['content-type']).to.equal('text/plain; charset=utf-8')
        expect(text).to.match(/^[^\n]+$/)
      })
    }

    for (const [path, part] of [
      ['/plugins/%ff', 'plugin_name'],
      ['/plugins/%c0%ae', 'plugin_name'],
      ['/files/%ff', 'digest'],
      ['/files/%e2%82/metadata', 'digest'],
    ] as const) {
      it(`GET ${path} -> 400: not UTF-8`, async () => {
        const { status, headers, text } = await get(path)
        expect(status).to.equal(400)
        expect(headers['content-type']).to.equal('text/plain; charset=utf-8')
        expect(text).to.equal(`Invalid URL: Invalid UTF-8 in \`${part}\``)
      })
    }

    it('GET /plugins/% and /plugins/%zz -> 200: a % that begins no code is itself', async () => {
      for (const path of ['/plugins/%', '/plugins/%zz']) {
        expect((await get(path)).text).to.equal('{"plugins":[],"skip":0}')
      }
    })

    for (const [method, path, allow] of [
      ['POST', '/plugins', 'GET,HEAD'],
      ['PUT', '/plugins/x', 'GET,HEAD'],
      ['DELETE', '/plugins/x', 'GET,HEAD'],
      ['OPTIONS', '/plugins', 'GET,HEAD'],
      ['GET', '/files', 'POST'],
      ['HEAD', '/files', 'POST'],
      ['PUT', '/files/x', 'GET,HEAD,DELETE'],
      ['POST', '/files/x/metadata', 'GET,HEAD'],
      ['DELETE', '/health', 'GET,HEAD'],
      ['DELETE', '/token', 'GET,HEAD,POST'],
    ] as const) {
      it(`${method} ${path} -> 405, allow: ${allow}`, async () => {
        const { status, headers } = await registry().write(method, path)
        expect(status).to.equal(405)
        expect(headers.allow).to.equal(allow)
        expect(headers['content-type']).to.equal('text/plain; charset=utf-8')
      })
    }

    it('GET /health -> 200 "Ok"', async () => {
      const { status, headers, text } = await get('/health')
      expect(status).to.equal(200)
      expect(text).to.equal('"Ok"')
      expect(headers).to.include({ 'content-type': 'application/json', 'content-length': '4' })
    })

    it('every response forbids sniffing, and no page may read it', async () => {
      for (const path of ['/plugins', '/plugins/coredump', '/health', '/x', '/v2/_catalog']) {
        expect((await get(path)).headers)
          .to.include({ 'x-content-type-options': 'nosniff' })
          .and.not.have.property('access-control-allow-origin')
      }
    })
  })
})
