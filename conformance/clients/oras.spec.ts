import { randomBytes } from 'node:crypto'
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises'
import { expect } from 'chai'
import { describeClients } from '../support/clients.ts'
import { TOKEN } from '../support/server.ts'
import { digestOfFile, Session } from '../support/session.ts'

const LARGE = 100 * 1024 * 1024

describeClients(['oras', 'openssl'], 'oras, with content of any kind', () => {
  let session: Session
  before(async () => {
    session = await Session.start()
    await writeFile(session.path('hello.txt'), 'hello\n')
    await writeFile(session.path('report.json'), '{"ok":true}')
  })
  after(() => session?.stop())

  const oras = (...args: string[]) => session.run('oras', ...args, '--plain-http')
  const copy = (...args: string[]) =>
    session.run('oras', 'cp', '--from-plain-http', '--to-plain-http', ...args)

  async function pulled(reference: string, file: string): Promise<string> {
    const folder = await session.folder(`pulled-${randomBytes(4).toString('hex')}`)
    await oras('pull', session.at(reference), '-o', folder)
    return (await readFile(`${folder}/${file}`)).toString()
  }

  it('cannot push without credentials', async () => {
    const said = await session.refused('oras', 'push', session.at('docs/a:v1'), 'hello.txt', '--plain-http')
    expect(said).to.match(/unauthorized|401|credential/i)
  })

  it('cannot log in with a wrong token', async () => {
    const args = ['login', session.server.host, '-u', 'any', '-p', 'wrong', '--plain-http']
    expect(await session.refused('oras', ...args)).to.match(/unauthorized|401/i)
  })

  it('logs in with the token as the password', async () => {
    const said = await oras('login', session.server.host, '-u', 'any', '-p', TOKEN)
    expect(said).to.contain('Login Succeeded')
  })

  it('pushes files with annotations and pulls them back', async () => {
    await oras('push', session.at('docs/a:v1'), 'hello.txt:text/plain', 'report.json', '-a', 'color=blue')
    expect(await pulled('docs/a:v1', 'hello.txt')).to.equal('hello\n')
    expect(await pulled('docs/a:v1', 'report.json')).to.equal('{"ok":true}')
    const manifest = JSON.parse(await oras('manifest', 'fetch', session.at('docs/a:v1')))
    expect(manifest.annotations.color).to.equal('blue')
    expect(manifest.layers[0].mediaType).to.equal('text/plain')
  })

  it('can be read without credentials', async () => {
    const args = ['pull', session.at('docs/a:v1'), '-o', await session.folder('anonymous'), '--plain-http']
    const { code, stderr } = await session.outcome('oras', args, {
      env: { DOCKER_CONFIG: await session.folder('nobody') },
    })
    expect(code, stderr).to.equal(0)
  })

  it('adds tags, lists them in order and resolves them to one digest', async () => {
    await oras('tag', session.at('docs/a:v1'), 'v3', 'v2')
    expect((await oras('repo', 'tags', session.at('docs/a'))).trim().split('\n')).to.deep.equal([
      'v1',
      'v2',
      'v3',
    ])
    const resolve = (tag: string) => oras('resolve', session.at(`docs/a:${tag}`))
    expect(await resolve('v2')).to.equal(await resolve('v1'))
  })

  it('lists the repositories', async () => {
    await oras('push', session.at('docs/b:v1'), 'hello.txt')
    const listed = (await oras('repo', 'ls', session.server.host)).trim().split('\n')
    expect(listed).to.include.members(['docs/a', 'docs/b'])
  })

  it('attaches a file and discovers it', async () => {
    await oras('attach', session.at('docs/a:v1'), '--artifact-type', 'application/vnd.report', 'report.json')
    const found = JSON.parse(await oras('discover', session.at('docs/a:v1'), '--format', 'json'))
    expect(found.referrers).to.have.length(1)
    expect(found.referrers[0].artifactType).to.equal('application/vnd.report')
    expect(await pulled(`docs/a@${found.referrers[0].digest}`, 'report.json')).to.equal('{"ok":true}')
    const filtered = ['--artifact-type', 'application/vnd.other', '--format', 'json']
    const others = JSON.parse(await oras('discover', session.at('docs/a:v1'), ...filtered))
    expect(others.referrers ?? []).to.deep.equal([])
  })

  it('copies with everything attached to another repository', async () => {
    await copy('-r', session.at('docs/a:v1'), session.at('mirror/a:v1'))
    expect(await oras('resolve', session.at('mirror/a:v1'))).to.equal(
      await oras('resolve', session.at('docs/a:v1')),
    )
    const found = JSON.parse(await oras('discover', session.at('mirror/a:v1'), '--format', 'json'))
    expect(found.referrers).to.have.length(1)
    expect(await pulled('mirror/a:v1', 'hello.txt')).to.equal('hello\n')
  })

  it('copies into a folder and back', async () => {
    await session.run(
      'oras',
      'cp',
      '--from-plain-http',
      session.at('docs/a:v1'),
      '--to-oci-layout',
      'layout:v1',
    )
    await session.run(
      'oras',
      'cp',
      '--to-plain-http',
      '--from-oci-layout',
      'layout:v1',
      session.at('back/a:v1'),
    )
    expect(await pulled('back/a:v1', 'report.json')).to.equal('{"ok":true}')
  })

  it('makes an index over two manifests', async () => {
    await oras('tag', session.at('docs/b:v1'), 'left')
    await oras('push', session.at('docs/b:right'), 'report.json')
    await oras('manifest', 'index', 'create', session.at('docs/b:both'), 'left', 'right')
    const index = JSON.parse(await oras('manifest', 'fetch', session.at('docs/b:both')))
    expect(index.mediaType).to.equal('application/vnd.oci.image.index.v1+json')
    expect(index.manifests).to.have.length(2)
  })

  it('pushes, fetches and deletes a blob', async () => {
    const pushed = JSON.parse(await oras('blob', 'push', session.at('docs/a'), 'report.json', '--descriptor'))
    const blob = session.at(`docs/a@${pushed.digest}`)
    await oras('blob', 'fetch', '-o', 'blob', blob)
    expect(await readFile(session.path('blob'), 'utf8')).to.equal('{"ok":true}')
    await oras('blob', 'push', session.at('docs/c'), 'hello.txt')
    const digest = `sha256:${await digestOfFile(session.path('hello.txt'))}`
    await oras('blob', 'delete', '--force', session.at(`docs/c@${digest}`))
    const args = ['blob', 'fetch', '-o', 'gone', session.at(`docs/c@${digest}`), '--plain-http']
    expect(await session.refused('oras', ...args)).to.match(/not found/i)
  })

  it('deletes a manifest with its tags', async () => {
    await oras('manifest', 'delete', '--force', session.at('docs/b:both'))
    const args = ['manifest', 'fetch', session.at('docs/b:both'), '--plain-http']
    expect(await session.refused('oras', ...args)).to.match(/not found/i)
    expect(await oras('repo', 'tags', session.at('docs/b'))).not.to.contain('both')
  })

  it('packs a folder, and unpacks it to the same files', async () => {
    await mkdir(session.path('site/sub'), { recursive: true })
    await writeFile(session.path('site/sub/page.html'), '<p>page</p>')
    await oras('push', session.at('docs/site:v1'), 'site')
    expect(await pulled('docs/site:v1', 'site/sub/page.html')).to.equal('<p>page</p>')
  })

  it('pushes and pulls 100 MB', async () => {
    await writeFile(session.path('large'), randomBytes(LARGE))
    const digest = await digestOfFile(session.path('large'))
    await oras('push', session.at('docs/large:v1'), 'large')
    const folder = await session.folder('large-back')
    await oras('pull', session.at('docs/large:v1'), '-o', folder)
    expect(await readdir(folder)).to.deep.equal(['large'])
    expect(await digestOfFile(`${folder}/large`)).to.equal(digest)
  })
})
