import { randomBytes } from 'node:crypto'
import { readFile, writeFile } from 'node:fs/promises'
import { expect } from 'chai'
import { describeClients } from '../support/clients.ts'
import { buildFor } from '../support/fixtures.ts'
import { type Layout, writeLayout } from '../support/image.ts'
import { TOKEN } from '../support/server.ts'
import { digestOfFile, Session } from '../support/session.ts'

describeClients(['regctl', 'openssl'], 'regctl', () => {
  let session: Session
  let index: Layout
  before(async () => {
    session = await Session.start()
    index = await writeLayout(await session.folder('index'), ['linux/amd64', 'linux/arm64'])
    await session.run('regctl', 'registry', 'set', '--tls', 'disabled', '--skip-check', session.server.host)
  })
  after(() => session?.stop())

  const regctl = async (...args: string[]) => (await session.run('regctl', ...args)).trim()
  const login = (password: string) => [
    ...['registry', 'login', session.server.host],
    ...['-u', 'any', '-p', password],
  ]

  it('cannot push without credentials', async () => {
    const args = ['image', 'copy', `ocidir://${index.folder}:v1`, session.at('images/multi:v1')]
    expect(await session.refused('regctl', ...args)).to.match(/unauthorized/i)
  })

  it('cannot log in with a wrong token', async () => {
    expect(await session.refused('regctl', ...login('wrong'))).to.match(/unauthorized/i)
  })

  it('logs in with the token as the password and pushes an index', async () => {
    await regctl(...login(TOKEN))
    await regctl('image', 'copy', `ocidir://${index.folder}:v1`, session.at('images/multi:v1'))
    expect(await regctl('image', 'digest', session.at('images/multi:v1'))).to.equal(index.digest)
  })

  it('pulls an index, byte for byte', async () => {
    await regctl('image', 'copy', session.at('images/multi:v1'), `ocidir://${session.path('pulled')}:v1`)
    for (const [digest, bytes] of index.blobs)
      expect(
        (await readFile(session.path('pulled/blobs', digest.replace(':', '/')))).equals(bytes),
        digest,
      ).to.equal(true)
  })

  it('checks that an image is whole', async () => {
    expect(JSON.parse(await regctl('manifest', 'get', '--format', 'raw-body', session.at('images/multi:v1'))))
      .to.have.property('manifests')
      .with.length(2)
    await regctl('image', 'inspect', '--platform', 'linux/arm64', session.at('images/multi:v1'))
  })

  it('puts an artifact, attaches another and lists it', async () => {
    await writeFile(session.path('sbom.json'), '{"packages":[]}')
    const subject = session.at('images/multi:v1')
    const type = ['--artifact-type', 'application/vnd.sbom', '--file', session.path('sbom.json')]
    await regctl('artifact', 'put', ...type, '--subject', subject)
    const listed = JSON.parse(await regctl('artifact', 'list', '--format', '{{json .}}', subject))
    expect(listed.descriptors).to.have.length(1)
    const get = ['--subject', subject, '--filter-artifact-type', 'application/vnd.sbom']
    expect(await regctl('artifact', 'get', ...get)).to.equal('{"packages":[]}')
  })

  it('copies an index with its referrers to another repository', async () => {
    await regctl('image', 'copy', '--referrers', session.at('images/multi:v1'), session.at('mirror/multi:v1'))
    const listed = await regctl('artifact', 'list', '--format', '{{json .}}', session.at('mirror/multi:v1'))
    expect(JSON.parse(listed).descriptors).to.have.length(1)
  })

  it('lists tags and repositories', async () => {
    await regctl('image', 'copy', session.at('images/multi:v1'), session.at('images/multi:v2'))
    expect((await regctl('tag', 'ls', session.at('images/multi'))).split('\n')).to.deep.equal(['v1', 'v2'])
    expect((await regctl('repo', 'ls', session.server.host)).split('\n')).to.include('mirror/multi')
  })

  it('deletes a tag and leaves the manifest', async () => {
    await regctl('tag', 'delete', session.at('images/multi:v2'))
    expect(await regctl('tag', 'ls', session.at('images/multi'))).to.equal('v1')
    expect(await regctl('image', 'digest', session.at(`images/multi@${index.digest}`))).to.equal(index.digest)
  })

  it('makes an index out of two platforms', async () => {
    const one = ['--ref', session.at('images/multi:v1'), '--platform', 'linux/arm64']
    await regctl('index', 'create', session.at('images/arm:v1'), ...one)
    const made = JSON.parse(
      await regctl('manifest', 'get', '--format', 'raw-body', session.at('images/arm:v1')),
    )
    expect(made.manifests).to.have.length(1)
    expect(made.manifests[0].platform.architecture).to.equal('arm64')
  })

  it('pushes and pulls layers compressed with zstd', async () => {
    const platform = session.at('images/zstd:v1')
    await regctl(
      'image',
      'mod',
      session.at('images/multi:v1'),
      '--layer-compress',
      'zstd',
      '--create',
      platform,
    )
    const raw = await regctl('manifest', 'get', '-p', 'linux/amd64', '--format', 'raw-body', platform)
    const { layers } = JSON.parse(raw)
    expect(layers[0].mediaType).to.equal('application/vnd.oci.image.layer.v1.tar+zstd')
    await regctl('image', 'copy', platform, `ocidir://${session.path('zstd')}:v1`)
    const hex = layers[0].digest.replace('sha256:', '')
    expect(await digestOfFile(session.path('zstd/blobs/sha256', hex))).to.equal(hex)
  })

  it('pushes and pulls an image by sha512', async () => {
    const long = session.at('images/long:v1')
    await regctl('image', 'mod', session.at('images/multi:v1'), '--digest-algo', 'sha512', '--create', long)
    const raw = await regctl('manifest', 'get', '--format', 'raw-body', long)
    const [first] = JSON.parse(raw).manifests
    expect(first.digest).to.match(/^sha512:[0-9a-f]{128}$/)
    await regctl('image', 'copy', long, `ocidir://${session.path('long')}:v1`)
    expect((await readFile(session.path('long/blobs', first.digest.replace(':', '/')))).length).to.equal(
      first.size,
    )
  })

  it('pushes a large blob in chunks and pulls it back', async () => {
    const large = randomBytes(24 * 1024 * 1024)
    await writeFile(session.path('large'), large)
    const chunks = ['--blob-chunk', String(5 * 1024 * 1024), '--blob-max', String(1024 * 1024)]
    await regctl('registry', 'set', ...chunks, '--skip-check', session.server.host)
    const type = ['--artifact-type', 'application/vnd.large', '--file', session.path('large')]
    await regctl('artifact', 'put', ...type, session.at('images/large:v1'))
    const back = await session.bytes('regctl', 'artifact', 'get', session.at('images/large:v1'))
    expect(back.equals(large)).to.equal(true)
  })

  it('deletes an image', async () => {
    await regctl('manifest', 'delete', session.at(`images/multi@${index.digest}`))
    await session.refused('regctl', 'manifest', 'head', session.at('images/multi:v1'))
  })

  it('gets a plugin that curl uploaded', async () => {
    const build = buildFor('darwin/arm64')
    expect(await session.upload(build.file)).to.equal('"Added"')
    const args = ['artifact', 'get', '--platform', build.platform, session.at('coredump:0.2.0')]
    expect((await session.bytes('regctl', ...args)).equals(build.bytes)).to.equal(true)
  })
})
