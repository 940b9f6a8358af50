import { readFile, writeFile } from 'node:fs/promises'
import { expect } from 'chai'
import { describeClients } from '../support/clients.ts'
import { BUILDS, buildFor, type Descriptor, fixture, PLAIN_FILE } from '../support/fixtures.ts'
import { isHighS, otherS, SigningKey } from '../support/openssl.ts'
import { TOKEN } from '../support/server.ts'
import { Session } from '../support/session.ts'

interface Variant {
  digest: string
  signature: string
  created_at: string
  descriptor: Descriptor
}
interface Listing {
  plugins: Variant[]
  skip: number
}
interface Answer {
  status: number
  type: string
  body: Buffer
}

const AUTHORIZED = ['-H', `Authorization: Bearer ${TOKEN}`]
const NEWER = fixture('libmemflow_coredump-0.2.1.x86_64.so')
const ABI2 = fixture('libmemflow_coredump-0.2.1-abi2.x86_64.so')
const PAIR = fixture('libmemflow_pair-0.2.0.x86_64.so')
const NATIVE = fixture('libmemflow_native-0.2.0.x86_64.so')

describeClients(['curl', 'openssl'], 'curl, signed by openssl', () => {
  let session: Session
  /** The low-S signature that each digest was uploaded with. */
  const signatures = new Map<string, string>()
  before(async () => {
    session = await Session.start()
  })
  after(() => session?.stop())

  /** Runs curl against the server; the last word is the path. */
  async function curl(...words: string[]): Promise<Answer> {
    const body = session.path('body')
    await writeFile(body, '')
    const url = session.server.url + words.at(-1)
    const args = ['-sS', '-o', body, '-w', '%{http_code} %{content_type}', ...words.slice(0, -1), url]
    const [status, ...type] = (await session.run('curl', ...args)).split(' ')
    return { status: Number(status), type: type.join(' '), body: await readFile(body) }
  }

  async function post(file: string, signature: string, ...words: string[]): Promise<string> {
    const form = ['-F', `file=@${file}`, '-F', `signature=${signature}`]
    const { status, body } = await curl(...AUTHORIZED, ...words, ...form, '/files')
    return `${status} ${body}`
  }

  async function list(query = ''): Promise<Listing> {
    const { status, type, body } = await curl(`/plugins/coredump${query}`)
    expect(`${status} ${type}`).to.equal('200 application/json')
    return JSON.parse(body.toString())
  }

  async function digests(query: string): Promise<string[]> {
    return (await list(query)).plugins.map(plugin => plugin.digest)
  }

  it('is told that the server is healthy', async () => {
    const { status, type, body } = await curl('/health')
    expect(`${status} ${type} ${body}`).to.equal('200 application/json "Ok"')
  })

  it('finds no plugin in an empty registry', async () => {
    expect((await curl('/plugins')).body.toString()).to.equal('{"plugins":[]}')
    expect((await curl('/plugins/coredump')).body.toString()).to.equal('{"plugins":[],"skip":0}')
  })

  for (const build of [...BUILDS, NEWER, ABI2]) {
    const { name, version, file_type, architecture } = build.descriptor
    it(`uploads ${name} ${version} for ${file_type} on ${architecture}`, async () => {
      const signature = await session.key.sign(build.file)
      signatures.set(build.digest, signature)
      expect(await post(build.file, signature)).to.equal('200 "Added"')
    })
  }

  it('is told when a plugin is already there', async () => {
    const { file } = buildFor('linux/amd64')
    expect(await post(file, await session.key.sign(file))).to.equal('200 "AlreadyExists"')
  })

  it('uploads the parts in either order, after 100-continue, and chunked', async () => {
    const form = ['-F', `signature=${await session.key.sign(PAIR.file)}`, '-F', `file=@${PAIR.file}`]
    const reordered = await curl(...AUTHORIZED, '-H', 'Expect: 100-continue', ...form, '/files')
    expect(reordered.body.toString()).to.equal('"Added"')
    const signature = await session.key.sign(NATIVE.file)
    expect(await post(NATIVE.file, signature, '-H', 'Transfer-Encoding: chunked')).to.equal('200 "Added"')
  })

  it('lists every plugin once, by name', async () => {
    const { plugins } = JSON.parse((await curl('/plugins')).body.toString())
    expect(plugins.map((plugin: { name: string }) => plugin.name)).to.deep.equal(
      ['coredump', ...new Set(PAIR.descriptors.map(one => one.name)), 'native'].sort(),
    )
    expect(plugins[0]).to.deep.equal({ name: 'coredump', description: ABI2.descriptor.description })
  })

  it('lists five variants, the highest ABI first, then the newest', async () => {
    const newest = [...BUILDS, NEWER].reverse().slice(0, 4)
    expect(await digests('')).to.deep.equal([ABI2, ...newest].map(build => build.digest))
  })

  it('is shown all of a variant, field for field', async () => {
    const build = buildFor('windows/amd64')
    const { body } = await curl(`/plugins/coredump?version=${build.digest}`)
    const [variant] = (JSON.parse(body.toString()) as Listing).plugins
    expect(variant?.created_at).to.match(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?$/)
    expect(body.toString()).to.equal(
      JSON.stringify({
        plugins: [
          {
            digest: build.digest,
            signature: signatures.get(build.digest),
            created_at: variant?.created_at,
            descriptor: build.descriptor,
          },
        ],
        skip: 0,
      }),
    )
  })

  it('filters by version, ABI, file type and architecture', async () => {
    const all = [...BUILDS, NEWER, ABI2]
    const filters: Record<string, (one: Descriptor) => boolean> = {
      'version=0.2.0': one => one.version === '0.2.0',
      'version=0.2.1': one => one.version === '0.2.1',
      'version=0.2': () => false,
      'memflow_plugin_version=1': one => one.plugin_version === 1,
      'memflow_plugin_version=2': one => one.plugin_version === 2,
      'memflow_plugin_version=-1': () => false,
      'file_type=elf': one => one.file_type === 'elf',
      'file_type=pe': one => one.file_type === 'pe',
      'file_type=mach': one => one.file_type === 'mach',
      'architecture=x86': one => one.architecture === 'x86',
      'architecture=x86_64': one => one.architecture === 'x86_64',
      'architecture=arm': one => one.architecture === 'arm',
      'architecture=arm64': one => one.architecture === 'arm64',
      'file_type=pe&architecture=x86_64': one => one.file_type === 'pe' && one.architecture === 'x86_64',
      'version=0.2.1&memflow_plugin_version=1&file_type=elf&architecture=x86_64': one =>
        one.version === '0.2.1' && one.plugin_version === 1,
    }
    for (const [query, keeps] of Object.entries(filters)) {
      const kept = all.filter(build => keeps(build.descriptor)).map(build => build.digest)
      expect(await digests(`?limit=50&${query}`), query).to.have.members(kept)
    }
  })

  it('finds a variant by its digest, whole or short', async () => {
    const { digest } = buildFor('linux/arm')
    const short = digest.slice(0, 7)
    const queries = [`version=${digest}`, `version=${short}`, `digest=${digest}`, `digest_short=${short}`]
    for (const query of queries) expect(await digests(`?${query}`), query).to.deep.equal([digest])
  })

  it('pages with skip and limit, after the filter', async () => {
    const all = await digests('?limit=50&version=0.2.0')
    expect(all).to.have.length(BUILDS.length)
    expect(await list('?limit=2&skip=3&version=0.2.0')).to.have.property('skip', 3)
    expect(await digests('?limit=2&skip=3&version=0.2.0')).to.deep.equal(all.slice(3, 5))
    expect(await digests('?limit=0')).to.deep.equal([])
  })

  it('is told what is wrong with a query', async () => {
    const { status, type, body } = await curl('/plugins/coredump?architecture=aarch64')
    expect(`${status} ${type}`).to.equal('400 text/plain; charset=utf-8')
    expect(body.toString()).to.equal(
      'Failed to deserialize query string: architecture: unknown variant `aarch64`, ' +
        'expected one of `unknown`, `x86`, `x86_64`, `arm`, `arm64`',
    )
  })

  for (const build of BUILDS) {
    it(`downloads the build for ${build.platform} byte for byte`, async () => {
      const { status, type, body } = await curl(`/files/${build.digest}`)
      expect(`${status} ${type}`).to.equal('200 application/octet-stream')
      expect(body.equals(build.bytes)).to.equal(true)
    })
  }

  it('continues a download that broke off', async () => {
    const { digest, bytes } = buildFor('darwin/arm64')
    const part = session.path('part')
    await writeFile(part, bytes.subarray(0, 1000))
    await session.run('curl', '-sS', '-f', '-C', '-', '-o', part, `${session.server.url}/files/${digest}`)
    expect((await readFile(part)).equals(bytes)).to.equal(true)
  })

  it('reads the metadata of a binary with two plugins, in the order of its exports', async () => {
    const { status, type, body } = await curl(`/files/${PAIR.digest}/metadata`)
    expect(`${status} ${type}`).to.equal('200 application/json')
    const metadata = JSON.parse(body.toString())
    expect(Object.keys(metadata)).to.deep.equal(['digest', 'signature', 'created_at', 'descriptors'])
    expect(JSON.stringify(metadata.descriptors)).to.equal(JSON.stringify(PAIR.descriptors))
  })

  it('gets a signature with high S back in the low-S form that clients verify', async () => {
    const { file, digest } = fixture('libmemflow_coredump-0.2.1.arm64.so')
    const high = await session.key.sign(file, 'high')
    expect(await post(file, high)).to.equal('200 "Added"')
    const { signature } = JSON.parse((await curl(`/files/${digest}/metadata`)).body.toString())
    expect(signature).to.equal(otherS(high))
    expect(isHighS(signature)).to.equal(false)
    await writeFile(session.path('signature'), Buffer.from(signature, 'hex'))
    const args = ['-verify', session.key.publicFile, '-signature', session.path('signature'), file]
    expect(await session.run('openssl', 'dgst', '-sha256', ...args)).to.equal('Verified OK\n')
  })

  it('is refused without the token and with a wrong one', async () => {
    const { file, digest } = fixture('memflow_coredump-0.2.1.x86_64.dll')
    const form = ['-F', `file=@${file}`, '-F', `signature=${await session.key.sign(file)}`]
    for (const credentials of [[], ['-H', 'Authorization: Bearer wrong'], ['-u', 'any:wrong']]) {
      const upload = await curl(...credentials, ...form, '/files')
      expect(`${upload.status} ${upload.type}`).to.equal('401 text/plain; charset=utf-8')
      expect(upload.body.toString()).to.match(/\S/)
      expect((await curl(...credentials, '-X', 'DELETE', `/files/${BUILDS[0]?.digest}`)).status).to.equal(401)
    }
    expect((await curl(`/files/${digest}`)).status).to.equal(404)
  })

  it('is refused with a signature of another file or by another key, and nothing stays behind', async () => {
    const { file, digest } = fixture('memflow_coredump-0.2.1.x86_64.dll')
    const stranger = await SigningKey.make(session.path(), 'stranger')
    const wrong = [await stranger.sign(file), await session.key.sign(PAIR.file), '00', 'no hex']
    for (const signature of wrong)
      expect(await post(file, signature)).to.equal('400 Signature error: file signature is invalid')
    expect((await curl(`/files/${digest}`)).body.toString()).to.equal('plugin not found')
    expect(await digests(`?version=${digest}`)).to.deep.equal([])
  })

  it('is refused with a file that is no plugin', async () => {
    const text = session.path('readme.txt')
    await writeFile(text, 'This is no plugin.')
    expect(await post(text, await session.key.sign(text))).to.equal('400 inventory: not supported')
    expect(await post(PLAIN_FILE, await session.key.sign(PLAIN_FILE))).to.match(/^400 \S/)
  })

  it('deletes a binary with all its plugins', async () => {
    const { status, body } = await curl(...AUTHORIZED, '-X', 'DELETE', `/files/${PAIR.digest}`)
    expect(`${status} ${body}`).to.equal('200 ')
    expect((await curl('/plugins')).body.toString()).not.to.contain('pair')
    for (const path of [`/files/${PAIR.digest}`, `/files/${PAIR.digest}/metadata`]) {
      const { status, body } = await curl(path)
      expect(`${status} ${body}`).to.equal('404 plugin not found')
    }
    expect((await curl(...AUTHORIZED, '-X', 'DELETE', `/files/${PAIR.digest}`)).status).to.equal(404)
  })

  it('uploads again what was deleted', async () => {
    expect(await post(PAIR.file, await session.key.sign(PAIR.file))).to.equal('200 "Added"')
    expect((await curl(`/files/${PAIR.digest}`)).body.equals(PAIR.bytes)).to.equal(true)
  })
})
