import { readdir, readFile } from 'node:fs/promises'
import { expect } from 'chai'
import { describeClients } from '../support/clients.ts'
import { buildFor } from '../support/fixtures.ts'
import { type Layout, writeLayout } from '../support/image.ts'
import { TOKEN } from '../support/server.ts'
import { Session } from '../support/session.ts'

describeClients(['crane', 'openssl', 'tar'], 'crane', () => {
  let session: Session
  let image: Layout
  let index: Layout
  before(async () => {
    session = await Session.start()
    image = await writeLayout(await session.folder('image'))
    index = await writeLayout(await session.folder('index'), ['linux/amd64', 'linux/arm64'])
  })
  after(() => session?.stop())

  const crane = async (...args: string[]) => (await session.run('crane', ...args)).trim()
  const login = (password: string) => crane('auth', 'login', session.server.host, '-u', 'any', '-p', password)

  /** Every blob of `layout` is in the folder that crane wrote, byte for byte. */
  async function expectBlobs(layout: Layout, folder: string): Promise<void> {
    for (const [digest, bytes] of layout.blobs)
      expect((await readFile(`${folder}/blobs/${digest.replace(':', '/')}`)).equals(bytes), digest).to.equal(
        true,
      )
  }

  it('cannot push without credentials', async () => {
    const said = await session.refused('crane', 'push', image.folder, session.at('images/app:v1'))
    expect(said).to.match(/unauthorized/i)
  })

  it('cannot push with a wrong token', async () => {
    await session.outcome('crane', ['auth', 'login', session.server.host, '-u', 'any', '-p', 'wrong'])
    const said = await session.refused('crane', 'push', image.folder, session.at('images/app:v1'))
    expect(said).to.match(/unauthorized/i)
    await session.run('crane', 'auth', 'logout', session.server.host)
  })

  it('logs in with the token as the password and pushes an image', async () => {
    await login(TOKEN)
    const said = await crane('push', image.folder, session.at('images/app:v1'))
    expect(said).to.equal(session.at(`images/app@${image.digest}`))
  })

  it('gets the digest and the manifest of what was pushed', async () => {
    expect(await crane('digest', session.at('images/app:v1'))).to.equal(image.digest)
    const manifest = await session.bytes('crane', 'manifest', session.at('images/app:v1'))
    expect(manifest.toString().trimEnd()).to.equal(image.blobs.get(image.digest)?.toString())
  })

  it('pulls an image as a layout, byte for byte', async () => {
    await crane('pull', '--format=oci', session.at('images/app:v1'), session.path('pulled'))
    await expectBlobs(image, session.path('pulled'))
  })

  it('pulls an image as an archive, and pushes that', async () => {
    await crane('pull', session.at('images/app:v1'), session.path('app.tar'))
    await crane('push', session.path('app.tar'), session.at('images/archived:v1'))
    await crane('export', session.at('images/archived:v1'), session.path('files.tar'))
    const file = await session.bytes('tar', '-xOf', session.path('files.tar'), 'data')
    expect(file.equals(image.data['linux/amd64'] ?? Buffer.alloc(0))).to.equal(true)
  })

  it('pushes and pulls an index over two platforms', async () => {
    await crane('push', index.folder, session.at('images/multi:v1'))
    expect(await crane('digest', session.at('images/multi:v1'))).to.equal(index.digest)
    await crane('pull', '--format=oci', session.at('images/multi:v1'), session.path('multi'))
    await expectBlobs(index, session.path('multi'))
  })

  it('finds each image valid', async () => {
    expect(await crane('validate', '--remote', session.at('images/app:v1'))).to.match(/PASS|^$/)
    expect(await crane('validate', '--remote', session.at('images/multi:v1'))).to.match(/PASS|^$/)
  })

  it('copies to another repository under the same digest', async () => {
    await crane('copy', session.at('images/multi:v1'), session.at('mirror/multi:v1'))
    expect(await crane('digest', session.at('mirror/multi:v1'))).to.equal(index.digest)
    await crane('validate', '--remote', session.at('mirror/multi:v1'))
  })

  it('tags, lists tags and repositories', async () => {
    await crane('tag', session.at('images/app:v1'), 'v2')
    expect((await crane('ls', session.at('images/app'))).split('\n')).to.deep.equal(['v1', 'v2'])
    const listed = (await crane('catalog', session.server.host)).split('\n')
    expect(listed).to.include.members(['images/app', 'images/multi', 'mirror/multi'])
  })

  it('appends a layer and labels the image', async () => {
    await session.run('tar', '-C', session.path('image'), '-cf', session.path('more.tar'), 'oci-layout')
    const more = ['-f', session.path('more.tar'), '-t', session.at('images/app:more')]
    await crane('append', '-b', session.at('images/app:v1'), ...more)
    await crane(
      'mutate',
      session.at('images/app:more'),
      '-l',
      'color=blue',
      '-t',
      session.at('images/app:blue'),
    )
    expect(JSON.parse(await crane('config', session.at('images/app:blue'))).config.Labels.color).to.equal(
      'blue',
    )
    await crane('validate', '--remote', session.at('images/app:blue'))
  })

  it('reads a blob', async () => {
    const layer = [...image.blobs.keys()].at(1) ?? ''
    const blob = await session.bytes('crane', 'blob', session.at(`images/app@${layer}`))
    expect(blob.equals(image.blobs.get(layer) ?? Buffer.alloc(0))).to.equal(true)
  })

  it('deletes a tag, then the image', async () => {
    await crane('delete', session.at('images/app:v2'))
    expect((await crane('ls', session.at('images/app'))).split('\n')).not.to.include('v2')
    expect(await crane('digest', session.at('images/app:v1'))).to.equal(image.digest)
    await crane('delete', session.at(`images/app@${image.digest}`))
    const said = await session.refused('crane', 'manifest', session.at('images/app:v1'))
    expect(said).to.match(/MANIFEST_UNKNOWN/)
  })

  it('pulls a plugin that curl uploaded', async () => {
    const build = buildFor('windows/amd64')
    expect(await session.upload(build.file)).to.equal('"Added"')
    const folder = session.path('plugin')
    const platform = ['--platform', build.platform, '--format=oci']
    await crane('pull', ...platform, session.at('coredump:0.2.0'), folder)
    expect(await readdir(`${folder}/blobs/sha256`)).to.include(build.digest)
    expect((await readFile(`${folder}/blobs/sha256/${build.digest}`)).equals(build.bytes)).to.equal(true)
  })
})
