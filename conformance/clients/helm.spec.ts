import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { expect } from 'chai'
import { describeClients } from '../support/clients.ts'
import { TOKEN } from '../support/server.ts'
import { Session } from '../support/session.ts'

describeClients(['helm', 'openssl'], 'helm', () => {
  let session: Session
  before(async () => {
    session = await Session.start()
    await mkdir(session.path('chart/templates'), { recursive: true })
    await writeFile(
      session.path('chart/Chart.yaml'),
      'apiVersion: v2\nname: analyst\nversion: 1.2.3+build.4\n',
    )
    await writeFile(
      session.path('chart/templates/map.yaml'),
      'apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n',
    )
    await session.run('helm', 'package', 'chart')
  })
  after(() => session?.stop())

  const PACKAGE = 'analyst-1.2.3+build.4.tgz'
  const push = () => ['push', PACKAGE, `oci://${session.at('charts')}`, '--plain-http']
  const login = (password: string) => [
    'registry',
    'login',
    session.server.host,
    '-u',
    'any',
    '-p',
    password,
    '--plain-http',
  ]

  it('cannot push without credentials', async () => {
    expect(await session.refused('helm', ...push())).to.match(/unauthorized|401|credential/i)
  })

  it('cannot log in with a wrong token', async () => {
    expect(await session.refused('helm', ...login('wrong'))).to.match(/unauthorized|401|denied/i)
  })

  it('logs in with the token as the password and pushes a chart', async () => {
    await session.run('helm', ...login(TOKEN))
    await session.run('helm', ...push())
  })

  it('pulls the chart byte for byte', async () => {
    const folder = await session.folder('charts')
    const chart = [`oci://${session.at('charts/analyst')}`, '--version', '1.2.3+build.4']
    await session.run('helm', 'pull', ...chart, '--plain-http', '-d', folder)
    const [sent, got] = [await readFile(session.path(PACKAGE)), await readFile(`${folder}/${PACKAGE}`)]
    expect(got.equals(sent)).to.equal(true)
  })

  it('shows and renders the chart out of the registry', async () => {
    const chart = `oci://${session.at('charts/analyst')}`
    expect(await session.run('helm', 'show', 'chart', chart, '--plain-http')).to.contain('name: analyst')
    expect(await session.run('helm', 'template', chart, '--plain-http')).to.contain('kind: ConfigMap')
  })
})
