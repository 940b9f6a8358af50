import { copyFile, mkdir, readdir, readFile, rm } from 'node:fs/promises'
import { expect } from 'chai'
import { describeClients } from '../support/clients.ts'
import { BUILDS, buildFor, type Descriptor, type Fixture, fixture } from '../support/fixtures.ts'
import { SigningKey } from '../support/openssl.ts'
import { TOKEN } from '../support/server.ts'
import { Session } from '../support/session.ts'

interface Listing {
  plugins: { digest: string; signature: string; descriptor: Descriptor }[]
}
interface Manifest {
  annotations: Record<string, string>
  artifactType: string
  layers: { digest: string; annotations: Record<string, string> }[]
}

const SIGNATURE = 'io.memflow.plugin.signature'

/** A session whose clients are logged in. */
async function loggedIn(): Promise<Session> {
  const session = await Session.start()
  await session.run('oras', 'login', session.server.host, '-u', 'any', '-p', TOKEN, '--plain-http')
  return session
}

/** The files of a folder, by name. */
async function filesOf(folder: string): Promise<Record<string, Buffer>> {
  const names = (await readdir(folder)).sort()
  return Object.fromEntries(
    await Promise.all(names.map(async name => [name, await readFile(`${folder}/${name}`)])),
  )
}

describeClients(['oras', 'curl', 'openssl'], 'oras, with the plugins that curl uploaded', () => {
  let session: Session
  before(async () => {
    session = await loggedIn()
    for (const build of BUILDS) expect(await session.upload(build.file)).to.equal('"Added"')
  })
  after(() => session?.stop())

  const oras = (...args: string[]) => session.run('oras', ...args, '--plain-http')

  async function pull(name: string, ...args: string[]): Promise<Record<string, Buffer>> {
    const folder = await session.folder(name)
    await oras('pull', ...args, '-o', folder)
    return await filesOf(folder)
  }

  it('pulls the files of every platform, byte for byte, under names that tell plugin and platform', async () => {
    const files = await pull('all', session.at('coredump:0.2.0'))
    expect(Object.keys(files)).to.deep.equal(BUILDS.map(build => build.title).sort())
    for (const { title, bytes } of BUILDS) expect(files[title]?.equals(bytes), title).to.equal(true)
  })

  for (const { platform, title, bytes } of BUILDS) {
    it(`pulls just ${title} for ${platform}`, async () => {
      const files = await pull(platform, session.at('coredump:0.2.0'), '--platform', platform)
      expect(Object.keys(files)).to.deep.equal([title])
      expect(files[title]?.equals(bytes)).to.equal(true)
    })
  }

  it('pulls the newest by latest, the ABI, the version with its ABI and the short digest', async () => {
    const { digest, title, bytes } = buildFor('linux/arm64')
    for (const tag of ['latest', 'abi1', '0.2.0-abi1'])
      expect(
        (await pull(tag, session.at(`coredump:${tag}`), '--platform', 'linux/arm64'))[title],
      ).to.deep.equal(bytes)
    const files = await pull('short', session.at(`coredump:${digest.slice(0, 7)}`))
    expect(files).to.deep.equal({ [title]: bytes })
  })

  it('is shown the descriptors and the signature as annotations of the manifest', async () => {
    const build = buildFor('windows/amd64')
    const fetched = await oras(
      'manifest',
      'fetch',
      session.at('coredump:0.2.0'),
      '--platform',
      build.platform,
    )
    const { annotations, artifactType, layers } = JSON.parse(fetched) as Manifest
    const { signature } = await session.json<{ signature: string }>(`/files/${build.digest}/metadata`)
    expect(artifactType).to.equal('application/vnd.memflow.plugin.v1')
    expect(annotations[SIGNATURE]).to.equal(signature)
    expect(JSON.parse(annotations['io.memflow.plugin.descriptors'] ?? '')).to.deep.equal(build.descriptors)
    expect(annotations['org.opencontainers.image.version']).to.equal('0.2.0')
    expect(layers.map(layer => layer.digest)).to.deep.equal([`sha256:${build.digest}`])
  })

  it('lists the tags that the registry composed', async () => {
    const tags = (await oras('repo', 'tags', session.at('coredump'))).trim().split('\n')
    expect(tags).to.deep.equal(['0.2.0', '0.2.0-abi1', 'abi1', 'latest'])
  })

  it('discovers what is attached to a plugin', async () => {
    const subject = [session.at('coredump:0.2.0'), '--platform', 'linux/amd64']
    expect(JSON.parse(await oras('discover', ...subject, '--format', 'json')).referrers ?? []).to.deep.equal(
      [],
    )
    await copyFile(buildFor('linux/386').file, session.path('symbols.bin'))
    await oras('attach', ...subject, '--artifact-type', 'application/vnd.symbols', 'symbols.bin')
    const { referrers } = JSON.parse(await oras('discover', ...subject, '--format', 'json'))
    expect(referrers).to.have.length(1)
    expect(referrers[0].artifactType).to.equal('application/vnd.symbols')
  })

  it('copies all platforms to another repository, and the plugins stay listed once', async () => {
    const args = ['cp', '-r', '--from-plain-http', '--to-plain-http']
    await session.run('oras', ...args, session.at('coredump:0.2.0'), session.at('mirror/coredump:copy'))
    expect(await oras('resolve', session.at('mirror/coredump:copy'))).to.equal(
      await oras('resolve', session.at('coredump:0.2.0')),
    )
    const files = await pull('copy', session.at('mirror/coredump:copy'))
    for (const { title, bytes } of BUILDS) expect(files[title]?.equals(bytes), title).to.equal(true)
    const { plugins } = await session.json<Listing>('/plugins/coredump?limit=50')
    expect(plugins.map(plugin => plugin.digest)).to.have.members(BUILDS.map(build => build.digest))
  })

  it('gets nothing by any tag once curl deleted the last build of a version', async () => {
    for (const build of BUILDS)
      await session.run(
        'curl',
        ...['-sS', '-f', '-X', 'DELETE', '-H', `Authorization: Bearer ${TOKEN}`],
        `${session.server.url}/files/${build.digest}`,
      )
    for (const tag of ['0.2.0', 'latest', 'abi1'])
      expect(
        await session.refused('oras', 'manifest', 'fetch', session.at(`coredump:${tag}`), '--plain-http'),
      ).to.match(/not found/i)
    expect((await session.json<Listing>('/plugins')).plugins).to.deep.equal([])
  })
})

describeClients(['oras', 'curl', 'openssl', 'tar'], 'oras, pushing plugins', () => {
  const RAW = fixture('libmemflow_coredump-0.2.1.x86_64.so')
  const TAR = fixture('libmemflow_coredump-0.2.1.arm64.so')
  const TAR_GZIP = fixture('memflow_coredump-0.2.1.x86_64.dll')
  const FOLDER = fixture('libmemflow_coredump-0.2.1-abi2.x86_64.so')
  const LATE = fixture('libmemflow_coredump-0.2.0.x86_64.so')
  const REFUSED = fixture('libmemflow_native-0.2.0.x86_64.so')
  let session: Session
  before(async () => {
    session = await loggedIn()
  })
  after(() => session?.stop())

  const oras = (...args: string[]) => session.run('oras', ...args, '--plain-http')
  const signed = async (plugin: Fixture) => [
    '--annotation',
    `${SIGNATURE}=${await session.key.sign(plugin.file)}`,
  ]

  /** The plugin stands in the home as `libmemflow_coredump.so`, for clients that want a relative path. */
  async function place(plugin: Fixture, name = 'libmemflow_coredump.so'): Promise<string> {
    await copyFile(plugin.file, session.path(name))
    return name
  }

  async function expectListed(plugin: Fixture): Promise<void> {
    const { plugins } = await session.json<Listing>(`/plugins/coredump?version=${plugin.digest}`)
    expect(plugins.map(found => found.descriptor)).to.deep.equal([plugin.descriptor])
    const response = await session.get(`/files/${plugin.digest}`)
    expect(Buffer.from(await response.arrayBuffer()).equals(plugin.bytes)).to.equal(true)
    const { descriptors } = await session.json<{ descriptors: Descriptor[] }>(
      `/files/${plugin.digest}/metadata`,
    )
    expect(descriptors).to.deep.equal(plugin.descriptors)
  }

  /** Nothing of the plugin is to be seen through either API. */
  async function expectNothingOf(plugin: Fixture, repository: string): Promise<void> {
    expect((await session.get(`/files/${plugin.digest}`)).status).to.equal(404)
    expect((await session.get(`/files/${plugin.digest}/metadata`)).status).to.equal(404)
    const { plugins } = await session.json<{ plugins: { name: string }[] }>('/plugins')
    expect(plugins.map(found => found.name)).not.to.include(plugin.descriptor.name)
    const { repositories } = await session.json<{ repositories: string[] }>('/v2/_catalog')
    expect(repositories).not.to.include(repository)
    expect((await session.get(`/v2/${repository}/tags/list`)).status).to.equal(404)
    expect((await session.get(`/v2/${repository}/manifests/bad`)).status).to.equal(404)
  }

  it('pushes a binary as it is, and it is listed and can be downloaded', async () => {
    await oras('push', session.at('coredump:0.3.0'), await place(RAW), ...(await signed(RAW)))
    await expectListed(RAW)
  })

  it('gets its own tag back as it was pushed, beside the tags that the registry composed', async () => {
    const folder = await session.folder('own')
    await oras('pull', session.at('coredump:0.3.0'), '-o', folder)
    expect(await filesOf(folder)).to.deep.equal({ 'libmemflow_coredump.so': RAW.bytes })
    const composed = await session.folder('composed')
    await oras('pull', session.at('coredump:0.2.1'), '--platform', 'linux/amd64', '-o', composed)
    expect(Object.values(await filesOf(composed))).to.deep.equal([RAW.bytes])
  })

  it('pushes a binary inside a tar layer', async () => {
    await session.run('tar', '-cf', 'plugin.tar', await place(TAR))
    const layer = 'plugin.tar:application/vnd.oci.image.layer.v1.tar'
    await oras('push', session.at('coredump:as-tar'), layer, ...(await signed(TAR)))
    await expectListed(TAR)
  })

  it('pushes a binary inside a tar+gzip layer', async () => {
    await session.run('tar', '-czf', 'plugin.tgz', await place(TAR_GZIP, 'memflow_coredump.dll'))
    const layer = 'plugin.tgz:application/vnd.oci.image.layer.v1.tar+gzip'
    await oras('push', session.at('coredump:as-tgz'), layer, ...(await signed(TAR_GZIP)))
    await expectListed(TAR_GZIP)
  })

  it('pushes a folder with a binary in it', async () => {
    await mkdir(session.path('plugins'))
    await place(FOLDER, 'plugins/libmemflow_coredump.so')
    await oras('push', session.at('coredump:as-folder'), 'plugins', ...(await signed(FOLDER)))
    await expectListed(FOLDER)
  })

  it('signs later, by attaching the signature', async () => {
    await oras('push', session.at('coredump:unsigned'), await place(LATE))
    expect((await session.get(`/files/${LATE.digest}`)).status).to.equal(404)
    const type = ['--artifact-type', 'application/vnd.memflow.plugin.signature.v1']
    await oras('attach', session.at('coredump:unsigned'), ...type, ...(await signed(LATE)))
    await expectListed(LATE)
    const found = JSON.parse(await oras('discover', session.at('coredump:unsigned'), '--format', 'json'))
    expect(found.referrers).to.have.length(1)
  })

  it('is refused with a wrong signature, told why, and nothing stays behind', async () => {
    const stranger = await SigningKey.make(session.path(), 'stranger')
    const wrong = {
      'another key': await stranger.sign(REFUSED.file),
      'another file': await session.key.sign(RAW.file),
      'no signature': 'cafe',
      'no hex': 'unsigned',
    }
    const file = await place(REFUSED, 'libmemflow_native.so')
    for (const [reason, signature] of Object.entries(wrong)) {
      const args = ['push', session.at('native:bad'), file, '-a', `${SIGNATURE}=${signature}`, '--plain-http']
      expect(await session.refused('oras', ...args), reason).to.match(/signature/i)
      await expectNothingOf(REFUSED, 'native')
    }
  })

  it('is refused with a wrong signature inside a tar+gzip layer, and nothing stays behind', async () => {
    await session.run('tar', '-czf', 'native.tgz', 'libmemflow_native.so')
    const layer = 'native.tgz:application/vnd.oci.image.layer.v1.tar+gzip'
    const args = ['push', session.at('native:bad'), layer, '-a', `${SIGNATURE}=cafe`, '--plain-http']
    expect(await session.refused('oras', ...args)).to.match(/signature/i)
    await expectNothingOf(REFUSED, 'native')
  })

  it('leaves a tag where it was when a push to it is refused', async () => {
    const before = await oras('resolve', session.at('coredump:0.3.0'))
    const file = await place(REFUSED, 'libmemflow_native.so')
    const args = ['push', session.at('coredump:0.3.0'), file, '-a', `${SIGNATURE}=cafe`, '--plain-http']
    await session.refused('oras', ...args)
    expect(await oras('resolve', session.at('coredump:0.3.0'))).to.equal(before)
  })

  it('deletes a plugin that oras pushed, through oras', async () => {
    await oras('manifest', 'delete', '--force', session.at('coredump:as-tar'))
    expect((await session.get(`/files/${TAR.digest}`)).status).to.equal(404)
    const { plugins } = await session.json<Listing>('/plugins/coredump?limit=50')
    expect(plugins.map(found => found.digest)).not.to.include(TAR.digest)
  })

  it('gets what oras pushed through curl, with no trace of oras', async () => {
    await rm(session.path('down'), { force: true })
    const url = `${session.server.url}/files/${RAW.digest}`
    await session.run('curl', '-sS', '-f', '-o', session.path('down'), url)
    expect((await readFile(session.path('down'))).equals(RAW.bytes)).to.equal(true)
  })
})
