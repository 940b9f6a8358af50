import { expect } from 'chai'
import { describeClients } from '../support/clients.ts'
import { type Layout, writeLayout } from '../support/image.ts'
import { TOKEN } from '../support/server.ts'
import { Session } from '../support/session.ts'

/** The machine's architecture, the way images spell it. */
const GO_ARCHITECTURE = process.arch === 'x64' ? 'amd64' : process.arch

for (const client of ['podman', 'buildah']) {
  describeClients([client, 'openssl', 'tar'], client, () => {
    let session: Session
    let image: Layout
    before(async () => {
      session = await Session.start()
      image = await writeLayout(await session.folder('image'), [`linux/${GO_ARCHITECTURE}`])
    })
    after(() => session?.stop())

    /** All state of the engine stays in the session's folder. */
    const words = (...args: string[]) => {
      const state = ['--root', session.path('images'), '--runroot', session.path('run')]
      return [...state, '--storage-driver', 'vfs', ...args]
    }
    const engine = async (...args: string[]) => (await session.run(client, ...words(...args))).trim()
    const login = (password: string) =>
      words('login', '--tls-verify=false', '-u', 'any', '-p', password, session.server.host)

    it('cannot push without credentials', async () => {
      await engine('pull', 'oci:image:v1')
      const [id = ''] = (await engine('images', '-q')).split('\n')
      await engine('tag', id, session.at('images/app:v1'))
      const args = words('push', '--tls-verify=false', session.at('images/app:v1'))
      expect(await session.refused(client, ...args)).to.match(/unauthorized|authentication/i)
    })

    it('cannot log in with a wrong token', async () => {
      expect(await session.refused(client, ...login('wrong'))).to.match(/invalid username|unauthorized/i)
    })

    it('logs in with the token as the password', async () => {
      expect(await session.run(client, ...login(TOKEN))).to.contain('Login Succeeded')
    })

    for (const format of ['oci', 'v2s2']) {
      it(`pushes an image in the form ${format}, and pulls it again`, async () => {
        const reference = session.at(`images/app:${format}`)
        const [id = ''] = (await engine('images', '-q')).split('\n')
        await engine('tag', id, reference)
        await engine('push', '--tls-verify=false', '--format', format, reference)
        await engine('rmi', '--force', id)
        await engine('pull', '--tls-verify=false', reference)
        const archive = session.path(`${format}.tar`)
        if (client === 'podman') await engine('save', '-o', archive, reference)
        else await engine('push', reference, `docker-archive:${archive}`)
        const [{ Layers }] = JSON.parse(await session.run('tar', '-xOf', archive, 'manifest.json'))
        await session.run('tar', '-C', session.home, '-xf', archive, Layers[0])
        const data = await session.bytes('tar', '-xOf', session.path(Layers[0]), 'data')
        expect(data.equals(image.data[`linux/${GO_ARCHITECTURE}`] ?? Buffer.alloc(0))).to.equal(true)
      })
    }

    it('makes a manifest list and pushes it with its image', async () => {
      const list = session.at('images/list:v1')
      await engine('manifest', 'create', list)
      await engine('manifest', 'add', '--tls-verify=false', list, `docker://${session.at('images/app:oci')}`)
      await engine('manifest', 'push', '--tls-verify=false', '--all', list, `docker://${list}`)
      const response = await session.get('/v2/images/list/manifests/v1')
      expect(((await response.json()) as { manifests: unknown[] }).manifests).to.have.length(1)
    })
  })
}
