import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect } from 'chai'
import { distribution, findDistribution } from '../support/distribution.ts'
import { writeLayout } from '../support/image.ts'
import { findClient } from '../support/process.ts'
import { Service } from '../support/service.ts'
import { Session } from '../support/session.ts'
import { ask } from './ask.ts'
import { startMirror } from './start.ts'

const LOGIN = { username: 'me', password: 'a-password' }

/** As htpasswd writes it, with bcrypt. */
const HTPASSWD = 'me:$2b$05$abcdefghijklmnopqrstuubsRD.Ffj/ka0r3BpAjv57rF8oK.y5YW\n'

const REGISTRY = findDistribution()

const suite = REGISTRY && findClient('oras') ? describe : describe.skip

suite('an upstream that wants a username and a password', () => {
  let folder = ''
  let session: Session
  let upstream: Service

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'mirror-'))
    session = await Session.start()
    const auth = 'auth: { htpasswd: { realm: upstream, path: htpasswd } }'
    const launcher = distribution(REGISTRY ?? '', auth, { htpasswd: HTPASSWD })
    upstream = await Service.start(join(folder, 'upstream'), launcher)
  })

  after(async () => {
    await upstream?.stop()
    await session?.stop()
    await rm(folder, { recursive: true, force: true })
  })

  const mirrorOf = (name: string, login: object) =>
    startMirror(join(folder, name), [{ name: 'up', url: upstream.url, prefix: 'up', ...login }])

  it('with them in a file -> is pulled through by who has none', async () => {
    const image = await writeLayout(await session.folder('image'))
    const to = upstream.host
    const login = ['-u', LOGIN.username, '-p', LOGIN.password]
    await session.run('oras', 'login', '--plain-http', ...login, to)
    await session.run(
      'oras',
      'cp',
      '--from-oci-layout',
      `${image.folder}:v1`,
      '--to-plain-http',
      `${to}/app:v1`,
    )
    await session.run('oras', 'logout', to)
    await writeFile(join(folder, 'password'), `${LOGIN.password}\n`)
    const mirror = await mirrorOf('right', { username: LOGIN.username, passwordFile: '../password' })
    try {
      const copy = ['cp', '--from-plain-http', `${mirror.host}/up/app:v1`, '--to-oci-layout']
      await session.run('oras', ...copy, `${session.path('copy')}:v1`)
      for (const [digest, bytes] of image.blobs) {
        const file = session.path('copy/blobs', digest.replace(':', '/'))
        expect((await readFile(file)).equals(bytes), digest).to.equal(true)
      }
    } finally {
      await mirror.stop()
    }
  })

  for (const [title, login, reason] of [
    ['without them', {}, /it wants a username and password/],
    [
      'with wrong ones',
      { ...LOGIN, password: 'wrong' },
      /the username and password of this upstream are missing or wrong/,
    ],
  ] as const) {
    it(`${title} -> 502, and why`, async () => {
      const mirror = await mirrorOf(title.replaceAll(' ', '-'), login)
      try {
        const { status, bytes } = await ask(`${mirror.url}/v2/up/app/manifests/v1`)
        expect(status).to.equal(502)
        expect(bytes.toString()).to.match(reason).and.not.contain(LOGIN.password)
      } finally {
        await mirror.stop()
      }
    })
  }
})
