import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect } from 'chai'
import { until } from '../../spec/support/until.ts'
import { describeClients } from '../support/clients.ts'
import { buildFor } from '../support/fixtures.ts'
import { SigningKey } from '../support/openssl.ts'
import { Session } from '../support/session.ts'
import { ask } from './ask.ts'
import { startMirror } from './start.ts'

const BUILD = buildFor('linux/amd64')

describeClients(['oras', 'curl', 'openssl'], 'a plugin of an OCI upstream', () => {
  let folder = ''
  let upstream: Session

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'mirror-'))
    upstream = await Session.start()
    expect(await upstream.upload(BUILD.file)).to.equal('"Added"')
  })

  after(async () => {
    await upstream?.stop()
    await rm(folder, { recursive: true, force: true })
  })

  /**
   * Pulls the plugin by oras through a mirror that trusts the keys, and restarts it. The layer is searched in the background,
   * before the restart or after it. Returns the names of the plugins once they are `listed`.
   */
  async function namesBehind(
    name: string,
    keys: Record<string, string>,
    listed: (names: readonly string[]) => boolean,
  ): Promise<string[]> {
    const start = () => {
      const entry = { name: 'up', url: upstream.server.url, prefix: 'up' }
      return startMirror(join(folder, name), [entry], keys)
    }
    const pulling = await start()
    const to = await upstream.folder(name)
    await upstream.run('oras', 'pull', '--plain-http', '-o', to, `${pulling.host}/up/coredump:0.2.0`)
    expect((await readFile(join(to, BUILD.title))).equals(BUILD.bytes)).to.equal(true)
    await pulling.stop()
    const listing = await start()
    const names = await until<string[] | undefined>(async () => {
      const { bytes } = await ask(`${listing.url}/plugins`)
      const found: string[] = JSON.parse(bytes.toString()).plugins.map(({ name }: { name: string }) => name)
      return listed(found) ? found : undefined
    })
    await listing.stop()
    return names
  }

  it('signed by a known key -> is listed', async () => {
    const keys = { MEMFLOW_PUBLIC_KEY_FILE: upstream.key.publicFile }
    expect(await namesBehind('known', keys, names => names.length > 0)).to.deep.equal(['coredump'])
  })

  it('signed by an unknown key -> is pulled, and not listed', async () => {
    const { publicFile } = await SigningKey.make(folder)
    expect(await namesBehind('unknown', { MEMFLOW_PUBLIC_KEY_FILE: publicFile }, () => true)).to.deep.equal(
      [],
    )
  })
})
