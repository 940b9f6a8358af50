import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect } from 'chai'
import { FaultyUpstream } from '../../spec/support/faulty-upstream.ts'
import { basicHeader, TokenAccess } from '../../spec/support/upstream/access.ts'
import { describeClients } from '../support/clients.ts'
import { writeLayout } from '../support/image.ts'
import { Session } from '../support/session.ts'
import { writeMirrors } from './start.ts'

const PLATFORMS = ['linux/amd64', 'linux/arm64', 'linux/s390x']
const WANTED = 'linux/arm64'
const LOGIN = { username: 'me', password: 'a-secret-of-the-upstream' }

/** The arguments by which each client pulls the wanted platform alone into a folder. */
const CLIENTS: Record<string, (image: string, to: string) => string[]> = {
  oras: (image, to) => ['cp', '--from-plain-http', '--platform', WANTED, image, '--to-oci-layout', to],
  crane: (image, to) => ['pull', '--insecure', '--platform', WANTED, image, to],
  skopeo: (image, to) => {
    const platform = ['--override-os', 'linux', '--override-arch', 'arm64']
    return [
      '--insecure-policy',
      ...platform,
      'copy',
      '--src-tls-verify=false',
      `docker://${image}`,
      `dir:${to}`,
    ]
  },
  regctl: (image, to) => ['image', 'copy', '--platform', WANTED, image, `ocidir://${to}`],
}

describeClients(
  [...Object.keys(CLIENTS), 'openssl'],
  'one platform of an index, of an upstream that wants tokens',
  () => {
    let upstream: FaultyUpstream
    let folder = ''
    let mirror: Session

    before(async () => {
      upstream = await FaultyUpstream.start({ access: new TokenAccess({ login: LOGIN }) })
      folder = await mkdtemp(join(tmpdir(), 'mirror-'))
      const entry = { name: 'up', url: upstream.url, prefix: 'up', ...LOGIN }
      mirror = await Session.start({ MEMFLOW_MIRRORS_FILE: await writeMirrors(folder, [entry]) })
      await mirror.run('regctl', 'registry', 'set', '--tls', 'disabled', '--skip-check', mirror.server.host)
    })

    after(async () => {
      await mirror?.stop()
      await upstream?.stop()
      await rm(folder, { recursive: true, force: true })
    })

    for (const [client, words] of Object.entries(CLIENTS)) {
      it(`${client} -> the index, and nothing of the others`, async () => {
        const { content } = upstream
        const { blobs, digest } = await writeLayout(await mirror.folder(`${client}-index`), PLATFORMS)
        for (const [each, bytes] of blobs) {
          if (bytes.includes('"schemaVersion"'))
            content.manifest(client, bytes.toString(), each === digest ? 'v1' : undefined)
          else content.blob(bytes)
        }
        upstream.requests.length = 0
        await mirror.run(client, ...words(mirror.at(`up/${client}:v1`), mirror.path(`${client}-pulled`)))
        const granted = upstream.requests.filter(({ authorization }) => authorization?.startsWith('Bearer '))
        const asked = granted.map(({ method, kind }) => `${method} ${kind}`).sort()
        expect(asked).to.deep.equal(['GET blob', 'GET blob', 'GET manifest', 'GET manifest'])
        const tokens = upstream.requests.filter(({ kind }) => kind === 'token')
        expect(tokens.map(({ authorization }) => authorization)).to.deep.equal([basicHeader(LOGIN)])
      })
    }
  },
)
