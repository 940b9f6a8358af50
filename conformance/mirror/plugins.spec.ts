import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect } from 'chai'
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

  /** Pulls the plugin by oras through a mirror that trusts the keys, and answers the names of its plugins then. */
  async function namesBehind(name: string, keys: Record<string, string>): Promise<string[]> {
    const start = () => {
      const entry = { name: 'up', url: upstream.server.url, prefix: 'up' }
      return startMirror(join(folder, name), [entry], keys)
    }
    const pulling = await start()
    const to = await upstream.folder(name)
    await upstream.run('oras', 'pull', '--plain-http', '-o', to, `${pulling.host}/up/coredump:0.2.0`)
    expect((await readFile(join(to, BUILD.title))).equals(BUILD.bytes)).to.equal(true)
    // Layers are looked into behind the pull, which a registry that is stopped waits for.
    await pulling.stop()
    const listing = await start()
    const { bytes } = await ask(`${listing.url}/plugins`)
    await listing.stop()
    return JSON.parse(bytes.toString()).plugins.map((plugin: { name: string }) => plugin.name)
  }

  it('signed by a known key -> is listed', async () => {
    const keys = { MEMFLOW_PUBLIC_KEY_FILE: upstream.key.publicFile }
    expect(await namesBehind('known', keys)).to.deep.equal(['coredump'])
  })

  it('signed by an unknown key -> is pulled, and not listed', async () => {
    const { publicFile } = await SigningKey.make(folder)
    expect(await namesBehind('unknown', { MEMFLOW_PUBLIC_KEY_FILE: publicFile })).to.deep.equal([])
  })
})
