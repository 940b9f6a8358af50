import { readdir, readFile } from 'node:fs/promises'
import { expect } from 'chai'
import { describeClients } from '../support/clients.ts'
import { buildFor } from '../support/fixtures.ts'
import { type Layout, writeLayout } from '../support/image.ts'
import { TOKEN } from '../support/server.ts'
import { Session } from '../support/session.ts'

describeClients(['skopeo', 'openssl', 'tar'], 'skopeo', () => {
  let session: Session
  let image: Layout
  let index: Layout
  before(async () => {
    session = await Session.start()
    image = await writeLayout(await session.folder('image'))
    index = await writeLayout(await session.folder('index'), ['linux/amd64', 'linux/arm64'])
  })
  after(() => session?.stop())

  const skopeo = (...args: string[]) => session.run('skopeo', '--insecure-policy', ...args)
  const remote = (reference: string) => `docker://${session.at(reference)}`
  const INTO = ['copy', '--dest-tls-verify=false']
  const OUT = ['copy', '--src-tls-verify=false']

  /** The blobs of a folder in skopeo's `dir:` form, by name. */
  async function expectDirectory(layout: Layout, folder: string): Promise<void> {
    const names = (await readdir(folder)).filter(name => /^[0-9a-f]{64}$/.test(name))
    expect(names).to.have.length(2)
    for (const name of names)
      expect(
        (await readFile(`${folder}/${name}`)).equals(layout.blobs.get(`sha256:${name}`) ?? Buffer.alloc(0)),
      ).to.equal(true)
    expect(await readFile(`${folder}/manifest.json`, 'utf8')).to.equal(
      layout.blobs.get(layout.digest)?.toString(),
    )
  }

  it('cannot push without credentials', async () => {
    const args = [...INTO, `oci:${image.folder}:v1`, remote('images/app:v1')]
    expect(await session.refused('skopeo', '--insecure-policy', ...args)).to.match(
      /unauthorized|authentication/i,
    )
  })

  it('cannot log in with a wrong token, nor push with one', async () => {
    const login = ['login', '--tls-verify=false', '-u', 'any', '-p', 'wrong', session.server.host]
    expect(await session.refused('skopeo', ...login)).to.match(/invalid username|unauthorized/i)
    const args = [...INTO, '--dest-creds', 'any:wrong', `oci:${image.folder}:v1`, remote('images/app:v1')]
    await session.refused('skopeo', '--insecure-policy', ...args)
  })

  it('logs in with the token as the password', async () => {
    const said = await skopeo('login', '--tls-verify=false', '-u', 'any', '-p', TOKEN, session.server.host)
    expect(said).to.contain('Login Succeeded')
  })

  it('copies from a layout to the registry to a folder, byte for byte', async () => {
    await skopeo(...INTO, `oci:${image.folder}:v1`, remote('images/app:v1'))
    await skopeo(...OUT, remote('images/app:v1'), `dir:${session.path('app')}`)
    await expectDirectory(image, session.path('app'))
  })

  it('copies from a docker archive to the registry to a docker archive', async () => {
    const archive = session.path('app.tar')
    await skopeo('copy', `oci:${image.folder}:v1`, `docker-archive:${archive}:app:v1`)
    await skopeo(...INTO, `docker-archive:${archive}`, remote('images/docker:v1'))
    const raw = await skopeo('inspect', '--raw', '--tls-verify=false', remote('images/docker:v1'))
    expect(JSON.parse(raw).mediaType).to.equal('application/vnd.docker.distribution.manifest.v2+json')
    const back = session.path('back.tar')
    await skopeo(...OUT, remote('images/docker:v1'), `docker-archive:${back}:app:v1`)
    const [{ Layers }] = JSON.parse(await session.run('tar', '-xOf', back, 'manifest.json'))
    await session.run('tar', '-C', session.home, '-xf', back, Layers[0])
    const file = await session.bytes('tar', '-xOf', session.path(Layers[0]), 'data')
    expect(file.equals(image.data['linux/amd64'] ?? Buffer.alloc(0))).to.equal(true)
  })

  it('copies all platforms of an index', async () => {
    await skopeo(...INTO, '--all', `oci:${index.folder}:v1`, remote('images/multi:v1'))
    const said = await skopeo('inspect', '--raw', '--tls-verify=false', remote('images/multi:v1'))
    expect(said).to.equal(index.blobs.get(index.digest)?.toString())
    await skopeo(...OUT, '--all', remote('images/multi:v1'), `oci:${session.path('multi')}:v1`)
    for (const [digest, bytes] of index.blobs)
      expect(
        (await readFile(`${session.path('multi')}/blobs/${digest.replace(':', '/')}`)).equals(bytes),
        digest,
      ).to.equal(true)
  })

  it('copies between two repositories', async () => {
    const tls = ['--src-tls-verify=false', '--dest-tls-verify=false']
    await skopeo('copy', ...tls, '--all', remote('images/multi:v1'), remote('mirror/multi:v1'))
    const digest = ['inspect', '--tls-verify=false', '--format', '{{.Digest}}']
    expect((await skopeo(...digest, remote('mirror/multi:v1'))).trim()).to.equal(index.digest)
  })

  it('inspects an image and lists its tags', async () => {
    const seen = JSON.parse(await skopeo('inspect', '--tls-verify=false', remote('images/app:v1')))
    expect(seen.Digest).to.equal(image.digest)
    expect(seen.RepoTags).to.deep.equal(['v1'])
    const { Tags } = JSON.parse(await skopeo('list-tags', '--tls-verify=false', remote('images/app')))
    expect(Tags).to.deep.equal(['v1'])
  })

  it('mirrors a repository with sync', async () => {
    const to = ['--dest', 'dir', session.at('images/app'), await session.folder('sync')]
    await skopeo('sync', '--src-tls-verify=false', '--src', 'docker', ...to)
    await expectDirectory(image, session.path('sync/app:v1'))
  })

  it('deletes an image', async () => {
    await skopeo('delete', '--tls-verify=false', remote('images/app:v1'))
    const args = ['inspect', '--tls-verify=false', remote('images/app:v1')]
    expect(await session.refused('skopeo', ...args)).to.match(/manifest unknown|name unknown|not known/i)
  })

  it('copies a plugin that curl uploaded', async () => {
    const build = buildFor('linux/arm64')
    expect(await session.upload(build.file)).to.equal('"Added"')
    const platform = ['--override-os', 'linux', '--override-arch', 'arm64']
    await skopeo(...platform, ...OUT, remote('coredump:0.2.0'), `dir:${session.path('plugin')}`)
    expect((await readFile(`${session.path('plugin')}/${build.digest}`)).equals(build.bytes)).to.equal(true)
  })
})
