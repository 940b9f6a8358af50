import { readFile, writeFile } from 'node:fs/promises'
import { expect } from 'chai'
import { describeClients } from '../support/clients.ts'
import { type Layout, writeLayout } from '../support/image.ts'
import { TOKEN } from '../support/server.ts'
import { Session } from '../support/session.ts'
import { writeMirrors } from './start.ts'

/** A host that is nowhere but in registries.conf. */
const UPSTREAM = 'registry.invalid'

/** The machine's architecture, the way images spell it. */
const GO_ARCHITECTURE = process.arch === 'x64' ? 'amd64' : process.arch

describeClients(['oras', 'skopeo', 'podman', 'openssl'], 'a mirror in registries.conf', () => {
  let upstream: Session
  let mirror: Session
  let image: Layout

  before(async () => {
    upstream = await Session.start()
    image = await writeLayout(await upstream.folder('image'), [`linux/${GO_ARCHITECTURE}`])
    await upstream.run('oras', 'login', '--plain-http', '-u', 'any', '-p', TOKEN, upstream.server.host)
    const to = ['--to-plain-http', upstream.at('images/app:v1')]
    await upstream.run('oras', 'cp', '--from-oci-layout', `${image.folder}:v1`, ...to)
    const entry = { name: 'up', url: upstream.server.url, prefix: UPSTREAM }
    mirror = await Session.start({ MEMFLOW_MIRRORS_FILE: await writeMirrors(upstream.home, [entry]) })
    await mirror.folder('.config/containers')
    await writeFile(
      mirror.path('.config/containers/registries.conf'),
      `[[registry]]
location = "${UPSTREAM}"

[[registry.mirror]]
location = "${mirror.at(UPSTREAM)}"
insecure = true
`,
    )
  })

  after(async () => {
    await mirror?.stop()
    await upstream?.stop()
  })

  it('skopeo copies an image under the upstream’s name', async () => {
    const to = mirror.path('copy')
    await mirror.run('skopeo', '--insecure-policy', 'copy', `docker://${UPSTREAM}/images/app:v1`, `dir:${to}`)
    expect(await readFile(`${to}/manifest.json`)).to.deep.equal(image.blobs.get(image.digest))
  })

  it('podman pulls one', async () => {
    const state = [
      '--root',
      mirror.path('images'),
      '--runroot',
      mirror.path('run'),
      '--storage-driver',
      'vfs',
    ]
    const podman = async (...args: string[]) => (await mirror.run('podman', ...state, ...args)).trim()
    await podman('pull', `${UPSTREAM}/images/app:v1`)
    expect(await podman('image', 'inspect', '--format', '{{.Digest}}', `${UPSTREAM}/images/app:v1`)).to.equal(
      image.digest,
    )
  })
})
