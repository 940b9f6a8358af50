import { expect } from 'chai'
import type { JudgedBuild } from '../../../src/core/compatible-builds.ts'
import { digestOf, hexOf } from '../../../src/oci/digest.ts'
import { upload } from '../../support/form.ts'
import { type PluginFile, plugin } from '../../support/plugins.ts'
import { serving } from '../../support/server.ts'
import { signer } from '../../support/signer.ts'

interface Answer {
  readonly plugin: string
  readonly host: object
  readonly best: JudgedBuild | null
  readonly perhaps: JudgedBuild | null
  readonly reasons: string[]
  readonly builds: JudgedBuild[]
  readonly skip: number
  readonly next: string | null
}

/** Oldest first. */
const FILES: readonly PluginFile[] = [
  'libmemflow_facts-musl.x86_64.so',
  'memflow_facts.x86_64.dll',
  'libmemflow_facts.arm64.dylib',
  'libmemflow_facts-glibc.x86_64.so',
  'libmemflow_coredump-0.2.0.universal.dylib',
]

const digestIn = (file: PluginFile) => hexOf(digestOf(plugin(file).bytes))

const GLIBC = digestIn('libmemflow_facts-glibc.x86_64.so')
const MUSL = digestIn('libmemflow_facts-musl.x86_64.so')
const DLL = digestIn('memflow_facts.x86_64.dll')
const DYLIB = digestIn('libmemflow_facts.arm64.dylib')

describe('http/memflow: GET /plugins/{name}/compatible', () => {
  const { pem, sign } = signer()
  const registry = serving({ keys: pem })

  before(async () => {
    for (const file of FILES) {
      const { bytes } = plugin(file)
      const { status, text } = await registry().write('POST', '/files', upload(bytes, sign(bytes)))
      expect(status, text).to.equal(200)
    }
  })

  async function compatible(query: string, name = 'facts'): Promise<Answer> {
    const { status, text, json } = await registry().ask('GET', `/plugins/${name}/compatible?${query}`)
    expect(status, text).to.equal(200)
    return json as Answer
  }

  it('-> the newest build that fits', async () => {
    const query = 'os=linux&arch=amd64&abi=1&memflow=0.2.4&glibc=2.36&libraries=libusb-1.0.so.0'
    const { plugin, host, best, perhaps, reasons, builds, skip, next } = await compatible(query)
    expect(plugin).to.equal('facts')
    expect(host).to.deep.equal({
      os: 'linux',
      architecture: 'x86_64',
      abi: 1,
      memflow: '0.2.4',
      glibc: '2.36',
      libraries: ['libusb-1.0.so.0'],
      libc: 'glibc',
    })
    expect([best?.digest, best?.verdict, best?.reasons, best?.unknown]).to.deep.equal([GLIBC, 'fits', [], []])
    expect(best?.needs).to.deep.equal({
      libc: { family: 'glibc', floor: '2.34', floors: { 'libc.so.6': '2.34', 'libm.so.6': '2.29' } },
      libraries: ['libusb-1.0.so.0'],
      minimum_os: { name: 'linux', version: '3.2.0' },
    })
    expect([perhaps, reasons, skip, next]).to.deep.equal([null, [], 0, null])
    expect(builds.map(({ digest, verdict }) => [digest, verdict])).to.deep.equal([
      [GLIBC, 'fits'],
      [MUSL, 'no'],
    ])
  })

  it('-> the reasons of each build that does not', async () => {
    const { best, builds } = await compatible('os=Linux&arch=x86_64&glibc=2.31&libraries=')
    expect(best).to.equal(null)
    expect(builds.map(({ digest, reasons }) => [digest, reasons])).to.deep.equal([
      [GLIBC, ['needs glibc 2.34', 'needs libusb-1.0.so.0']],
      [MUSL, ['is linked with musl, not with glibc']],
    ])
  })

  it('-> an older build where the newest does not fit', async () => {
    expect((await compatible('os=linux&libc=musl')).best?.digest).to.equal(MUSL)
  })

  it('-> what may fit where not all is known', async () => {
    const { best, perhaps } = await compatible('os=linux&libc=musl&memflow=0.2.4')
    expect(best).to.equal(null)
    expect([perhaps?.digest, perhaps?.verdict]).to.deep.equal([MUSL, 'unknown'])
    expect(perhaps?.unknown).to.include('which cglue it was built with is not in the file')
  })

  it('-> the builds of each system', async () => {
    expect((await compatible('os=windows&arch=x64&memflow=0.2.4')).best?.digest).to.equal(DLL)
    expect((await compatible('os=darwin&arch=arm64&memflow=0.2.4')).best?.digest).to.equal(DYLIB)
  })

  it('-> the facts of the slice that fits, of a universal binary', async () => {
    const { best, builds } = await compatible('os=macos&arch=x86_64', 'coredump')
    expect([best?.architecture, builds.length]).to.deep.equal(['x86_64', 1])
  })

  describe('-> why there is no build at all', () => {
    const reasons: Record<string, string> = {
      'facts/compatible?os=windows&arch=arm64': 'no Windows build for arm64',
      'coredump/compatible?os=windows': 'no Windows build',
      'coredump/compatible?os=linux&arch=x86': 'no Linux build',
      'facts/compatible?arch=386': 'no build for x86',
      'nobody/compatible?os=linux': 'no build of nobody is here',
    }
    for (const [path, reason] of Object.entries(reasons)) {
      it(path, async () => {
        const { json } = await registry().ask('GET', `/plugins/${path}`)
        const answer = json as Answer
        expect([answer.best, answer.perhaps, answer.builds, answer.reasons]).to.deep.equal([
          null,
          null,
          [],
          [reason],
        ])
      })
    }
  })

  it('-> pages, each naming the next', async () => {
    const seen: string[] = []
    let path: string | null = '/plugins/facts/compatible?limit=3'
    while (path !== null) {
      const answer = (await registry().ask('GET', path)).json as Answer
      expect(answer.builds.length).to.be.within(1, 3)
      seen.push(...answer.builds.map(({ digest }) => digest))
      path = answer.next
    }
    expect(seen).to.deep.equal([GLIBC, DYLIB, DLL, MUSL])
  })

  it('behind the last page -> no builds and no reasons', async () => {
    const { builds, reasons, next } = await compatible('os=linux&skip=10')
    expect([builds, reasons, next]).to.deep.equal([[], [], null])
  })

  it('-> 304 to who has it already, HEAD -> the headers', async () => {
    const path = '/plugins/facts/compatible?os=linux'
    const { headers } = await registry().ask('GET', path)
    const again = await registry().ask('GET', path, { headers: { 'if-none-match': String(headers.etag) } })
    expect(again.status).to.equal(304)
    const head = await registry().ask('HEAD', path)
    expect([head.status, head.headers['content-length']]).to.deep.equal([200, headers['content-length']])
  })

  it('with a bad parameter -> 400 and what is wrong', async () => {
    const { status, text, headers } = await registry().ask('GET', '/plugins/facts/compatible?os=beos')
    expect([status, text]).to.deep.equal([
      400,
      'os: `beos` is none of linux, windows, windows_nt, darwin, macos',
    ])
    expect(headers['content-type']).to.equal('text/plain; charset=utf-8')
  })

  it('for a plugin that is called compatible -> its own list', async () => {
    expect((await registry().ask('GET', '/plugins/compatible')).json).to.deep.equal({ plugins: [], skip: 0 })
  })
})
