import { randomBytes } from 'node:crypto'
import { readFile, writeFile } from 'node:fs/promises'
import { expect } from 'chai'
import { describeClients } from '../support/clients.ts'
import { type Layout, writeLayout } from '../support/image.ts'
import { TOKEN } from '../support/server.ts'
import { Session } from '../support/session.ts'
import { ask } from './ask.ts'
import { writeMirrors } from './start.ts'

/** An upstream's host that is nowhere but in the clients' configuration. */
const NAMESPACE = 'registry.invalid'

describeClients(
  ['oras', 'crane', 'skopeo', 'regctl', 'openssl'],
  'clients of a mirror of this registry',
  () => {
    let upstream: Session
    let mirror: Session
    let image: Layout
    let index: Layout
    const file = randomBytes(3_000_000)

    before(async () => {
      upstream = await Session.start()
      image = await writeLayout(await upstream.folder('image'))
      index = await writeLayout(await upstream.folder('index'), ['linux/amd64', 'linux/arm64'])
      await writeFile(upstream.path('tool'), file)
      await upstream.run('oras', 'login', '--plain-http', '-u', 'any', '-p', TOKEN, upstream.server.host)
      await upstream.run('oras', 'push', '--plain-http', upstream.at('tools/x:v1'), 'tool')
      for (const [name, { folder }] of Object.entries({ app: image, multi: index })) {
        const to = ['--to-plain-http', upstream.at(`images/${name}:v1`)]
        await upstream.run('oras', 'cp', '--recursive', '--from-oci-layout', `${folder}:v1`, ...to)
      }
      const { url } = upstream.server
      const mirrors = [
        { name: 'prefixed', url, prefix: 'up', namespace: NAMESPACE },
        { name: 'default', url },
      ]
      mirror = await Session.start({ MEMFLOW_MIRRORS_FILE: await writeMirrors(upstream.home, mirrors) })
    })

    after(async () => {
      await mirror?.stop()
      await upstream?.stop()
    })

    const skopeo = (...args: string[]) => mirror.run('skopeo', '--insecure-policy', ...args)

    /** That the folder, in the form of an OCI layout, has all of it, byte for byte. */
    async function expectLayout({ blobs }: Layout, folder: string): Promise<void> {
      for (const [digest, bytes] of blobs) {
        const copy = await readFile(`${folder}/blobs/${digest.replace(':', '/')}`)
        expect(copy.equals(bytes), digest).to.equal(true)
      }
    }

    for (const [place, prefix] of [
      ['under a prefix', 'up/'],
      ['of everything that is not here', ''],
    ] as const) {
      describe(place, () => {
        const at = (reference: string) => mirror.at(prefix + reference)
        const folder = (name: string) => mirror.path(`${name}-${prefix.replace('/', '')}`)

        it('oras pulls a file and fetches a manifest', async () => {
          await mirror.run('oras', 'pull', '--plain-http', '-o', folder('oras'), at('tools/x:v1'))
          expect((await readFile(`${folder('oras')}/tool`)).equals(file)).to.equal(true)
          const manifest = await mirror.run('oras', 'manifest', 'fetch', '--plain-http', at('images/app:v1'))
          expect(manifest).to.equal(image.blobs.get(image.digest)?.toString())
        })

        it('crane pulls an image, and copies one to another registry', async () => {
          const to = folder('crane')
          await mirror.run('crane', 'pull', '--insecure', '--format', 'oci', at('images/app:v1'), to)
          await expectLayout(image, to)
          await mirror.run('crane', 'auth', 'login', upstream.server.host, '-u', 'any', '-p', TOKEN)
          const copy = upstream.at(`${prefix}copied/multi:v1`)
          await mirror.run('crane', 'copy', '--insecure', at('images/multi:v1'), copy)
          expect((await mirror.run('crane', 'digest', '--insecure', copy)).trim()).to.equal(index.digest)
        })

        it('skopeo copies all platforms', async () => {
          const to = folder('skopeo')
          await skopeo(
            'copy',
            '--all',
            '--src-tls-verify=false',
            `docker://${at('images/multi:v1')}`,
            `oci:${to}:v1`,
          )
          await expectLayout(index, to)
          const tags = await skopeo('list-tags', '--tls-verify=false', `docker://${at('images/app')}`)
          expect(JSON.parse(tags).Tags).to.deep.equal(['v1'])
        })

        it('regctl copies all platforms, and checks that they are whole', async () => {
          const { host } = mirror.server
          await mirror.run('regctl', 'registry', 'set', '--tls', 'disabled', '--skip-check', host)
          await mirror.run(
            'regctl',
            'image',
            'copy',
            at('images/multi:v1'),
            `ocidir://${folder('regctl')}:v1`,
          )
          await expectLayout(index, folder('regctl'))
          await mirror.run(
            'regctl',
            'image',
            'check-base',
            '--base',
            at('images/multi:v1'),
            at('images/multi:v1'),
          )
        })

        it('oras cannot push into what was pulled', async () => {
          await mirror.run('oras', 'login', '--plain-http', '-u', 'any', '-p', TOKEN, mirror.server.host)
          await writeFile(mirror.path('tool'), file)
          const said = await mirror.refused('oras', 'push', '--plain-http', at('tools/x:v2'), 'tool')
          expect(said).to.contain('takes no pushes: push to another repository')
        })
      })
    }

    it('containerd’s requests, which name the upstream by ?ns=, are answered from it', async () => {
      const at = (path: string) => `${mirror.server.url}/v2/images/app/${path}?ns=${NAMESPACE}`
      const head = await ask(at('manifests/v1'), { method: 'HEAD' })
      expect(head.headers.get('docker-content-digest')).to.equal(image.digest)
      for (const [digest, bytes] of image.blobs) {
        const answer = await ask(at(`${digest === image.digest ? 'manifests' : 'blobs'}/${digest}`))
        expect(answer.headers.get('oci-namespace')).to.equal(NAMESPACE)
        expect(answer.bytes.equals(bytes), digest).to.equal(true)
      }
      // One that no mirror has means the plain name, which the default mirror has.
      const plain = await ask(at('manifests/v1').replace(NAMESPACE, 'other.invalid'))
      expect(plain.headers.get('docker-content-digest')).to.equal(image.digest)
    })
  },
)
