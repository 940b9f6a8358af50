import { randomBytes } from 'node:crypto'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect } from 'chai'
import { describeClients } from '../support/clients.ts'
import { buildFor } from '../support/fixtures.ts'
import { type Layout, writeLayout } from '../support/image.ts'
import { type Server, startServer, TOKEN } from '../support/server.ts'
import { digestOfFile, Session } from '../support/session.ts'

const CLI = fileURLToPath(new URL('../../dist/cli.js', import.meta.url))

describeClients(['oras', 'skopeo', 'crane', 'regctl', 'curl', 'openssl', 'tar'], 'OCI layouts', () => {
  const build = buildFor('linux/amd64')
  let session: Session
  let image: Layout

  const registry = async (args: string[], env: Record<string, string> = {}) => {
    const settings = {
      MEMFLOW_STORAGE_ROOT: session.server.storage,
      MEMFLOW_ADDR: session.server.host,
      MEMFLOW_BEARER_TOKEN: TOKEN,
      ...env,
    }
    const { code, stdout, stderr } = await session.outcome(process.execPath, [CLI, ...args], {
      env: settings,
    })
    expect(code, `${args.join(' ')}: ${stdout}${stderr}`).to.equal(0)
  }
  const oras = (...args: string[]) => session.run('oras', ...args)
  const skopeo = (...args: string[]) => session.run('skopeo', '--insecure-policy', ...args)

  before(async () => {
    session = await Session.start()
    await oras('login', session.server.host, '-u', 'any', '-p', TOKEN, '--plain-http')
    await writeFile(session.path('hello.txt'), 'hello\n')
    await oras('push', session.at('team/docs:v1'), 'hello.txt', '--plain-http')
    await oras('attach', session.at('team/docs:v1'), '--artifact-type', 'a/note', 'hello.txt', '--plain-http')
    image = await writeLayout(await session.folder('image'), ['linux/amd64', 'linux/arm64'])
    const into = ['--dest-tls-verify=false', '--dest-creds', `any:${TOKEN}`]
    await skopeo(
      'copy',
      '--all',
      ...into,
      `oci:${image.folder}:v1`,
      `docker://${session.at('images/app:v1')}`,
    )
    expect(await session.upload(build.file)).to.equal('"Added"')
    await registry(['backup', 'full'])
    await registry(['backup', 'full.tar'])
    await registry(['backup', 'docs', '--repository', 'team/docs'])
  })
  after(() => session?.stop())

  describe('that backup has written', () => {
    it('oras pulls from, by repository and tag, by the tag of the only repository, and by digest', async () => {
      const into = () => `pulled-${randomBytes(4).toString('hex')}`
      for (const from of [
        ['--oci-layout-path', 'full', 'team/docs:v1'],
        ['--oci-layout-path', 'full.tar', 'team/docs:v1'],
        ['--oci-layout', 'docs:v1'],
      ]) {
        const folder = into()
        await oras('pull', ...from, '-o', folder)
        expect(await readFile(session.path(folder, 'hello.txt'), 'utf8')).to.equal('hello\n')
      }
      const digest = (await oras('resolve', '--oci-layout', 'docs:v1')).trim()
      expect(await oras('manifest', 'fetch', '--oci-layout', `full@${digest}`)).to.contain('hello.txt')
    })

    it('oras pulls a plugin from, by the tags that the registry made', async () => {
      await oras(
        'pull',
        '--oci-layout-path',
        'full',
        'coredump:latest',
        '--platform',
        'linux/amd64',
        '-o',
        'plugin',
      )
      expect(await digestOfFile(session.path('plugin', build.title))).to.equal(build.digest)
    })

    it('oras sees the referrers in', async () => {
      expect(await oras('discover', '--oci-layout', 'docs:v1')).to.contain('a/note')
    })

    it('skopeo copies from, folder and tar', async () => {
      for (const from of ['oci:full:images/app:v1', 'oci-archive:full.tar:images/app:v1']) {
        expect(await skopeo('inspect', '--raw', from)).to.equal(image.blobs.get(image.digest)?.toString())
        const folder = session.path(`copied-${from.split(':')[0]}`)
        await skopeo('copy', '--all', from, `oci:${folder}:v1`)
        for (const [digest, bytes] of image.blobs)
          expect((await readFile(join(folder, 'blobs', digest.replace(':', '/')))).equals(bytes)).to.equal(
            true,
          )
      }
    })

    it('regctl gets a plugin from', async () => {
      const args = ['artifact', 'get', '--platform', 'linux/amd64', 'ocidir://full:0.2.0']
      expect((await session.bytes('regctl', ...args)).equals(build.bytes)).to.equal(true)
    })

    it('crane pushes from', async () => {
      const args = ['push', 'full', session.at('crane/full:v1'), '--index', '--insecure']
      await session.run('crane', ...args)
      const digest = await session.run(
        'crane',
        'digest',
        '--insecure',
        session.at(`crane/full@${image.digest}`),
      )
      expect(digest.trim()).to.equal(image.digest)
    })
  })

  describe('that clients have written', () => {
    let restored: Server

    before(async () => {
      const folder = await session.folder('restored')
      const env = { MEMFLOW_STORAGE_ROOT: join(folder, 'storage') }
      await oras('cp', '-r', '--from-plain-http', session.at('team/docs:v1'), '--to-oci-layout', 'oras:v1')
      await registry(['restore', 'oras', '--repository', 'from/oras'], env)
      const out = ['copy', '--src-tls-verify=false', '--all', `docker://${session.at('images/app:v1')}`]
      await skopeo(...out, 'oci-archive:skopeo.tar:any/name:v1')
      await registry(['restore', 'skopeo.tar', '--repository', 'from/skopeo'], env)
      await session.run('crane', 'pull', '--format=oci', '--insecure', session.at('team/docs:v1'), 'crane')
      await registry(['restore', 'crane', '--repository', 'from/crane'], env)
      await session.run('regctl', 'registry', 'set', session.server.host, '--tls', 'disabled')
      await session.run('regctl', 'image', 'copy', session.at('coredump:latest'), 'ocidir://regctl:v1')
      await registry(['restore', 'regctl', '--repository', 'from/regctl'], env)
      await registry(['restore', 'full.tar'], env)
      restored = await startServer(folder)
    })
    after(() => restored?.stop())

    const at = (reference: string) => `${restored.host}/${reference}`

    it('come back from a registry that restored them', async () => {
      for (const name of ['from/oras:v1', 'team/docs:v1']) {
        await oras('pull', at(name), '-o', 'back', '--plain-http')
        expect(await readFile(session.path('back/hello.txt'), 'utf8')).to.equal('hello\n')
        expect(await oras('discover', at(name), '--plain-http')).to.contain('a/note')
      }
      for (const name of ['from/skopeo:v1', 'images/app:v1']) {
        const raw = await skopeo('inspect', '--raw', '--tls-verify=false', `docker://${at(name)}`)
        expect(raw).to.equal(image.blobs.get(image.digest)?.toString())
        await skopeo(
          'copy',
          '--all',
          '--src-tls-verify=false',
          `docker://${at(name)}`,
          `dir:${await session.folder('all')}`,
        )
      }
      const digest = (await oras('resolve', session.at('team/docs:v1'), '--plain-http')).trim()
      await session.run('crane', 'validate', '--insecure', '--fast', '--remote', at(`from/skopeo:v1`))
      expect(await oras('manifest', 'fetch', at(`from/crane@${digest}`), '--plain-http')).to.contain(
        'hello.txt',
      )
      await oras(
        'pull',
        at('from/regctl:v1'),
        '--platform',
        'linux/amd64',
        '-o',
        'regctl-back',
        '--plain-http',
      )
      expect(await digestOfFile(session.path('regctl-back', build.title))).to.equal(build.digest)
    })

    it('and a plugin is listed as before', async () => {
      const listed = async (url: string) => (await fetch(`${url}/plugins/coredump`)).text()
      expect(await listed(restored.url)).to.equal(await listed(session.server.url))
    })
  })
})
