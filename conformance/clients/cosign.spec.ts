import { expect } from 'chai'
import { describeClients } from '../support/clients.ts'
import { buildFor } from '../support/fixtures.ts'
import { type Layout, writeLayout } from '../support/image.ts'
import { TOKEN } from '../support/server.ts'
import { Session } from '../support/session.ts'

describeClients(['cosign', 'crane', 'openssl'], 'cosign', () => {
  let session: Session
  let image: Layout
  before(async () => {
    session = await Session.start()
    image = await writeLayout(await session.folder('image'))
    await session.run('crane', 'auth', 'login', session.server.host, '-u', 'any', '-p', TOKEN)
    await session.run('crane', 'push', image.folder, session.at('images/app:v1'))
    await cosign('generate-key-pair')
  })
  after(() => session?.stop())

  /** Works with a key of its own and without the public log, which no test may reach. */
  async function cosign(...args: string[]): Promise<string> {
    const { code, stdout, stderr } = await session.outcome('cosign', args, { env: ENVIRONMENT })
    if (code !== 0) throw new Error(`cosign ${args.join(' ')} ended with ${code}:\n${stderr}`)
    return stdout.toString()
  }

  const ENVIRONMENT = { COSIGN_PASSWORD: 'secret', COSIGN_EXPERIMENTAL: '1' }
  const SIGN = ['sign', '--key', 'cosign.key', '--tlog-upload=false', '--allow-http-registry', '-y']
  const VERIFY = ['verify', '--key', 'cosign.pub', '--insecure-ignore-tlog', '--allow-http-registry']

  it('finds no signature where there is none', async () => {
    const args = [...VERIFY, session.at(`images/app@${image.digest}`)]
    const { code, stderr } = await session.outcome('cosign', args, { env: ENVIRONMENT })
    expect(code, stderr).not.to.equal(0)
    expect(stderr).to.match(/no signatures found/)
  })

  it('signs by a tag beside the image, and verifies', async () => {
    const reference = session.at(`images/app@${image.digest}`)
    await cosign(...SIGN, reference)
    const [claim] = JSON.parse(await cosign(...VERIFY, reference))
    expect(claim.critical.image['docker-manifest-digest']).to.equal(image.digest)
    expect(await session.run('crane', 'ls', session.at('images/app'))).to.contain(
      `${image.digest.replace(':', '-')}.sig`,
    )
  })

  it('signs a plugin that curl uploaded by a referrer, and verifies', async () => {
    expect(await session.upload(buildFor('linux/amd64').file)).to.equal('"Added"')
    const digest = (await session.run('crane', 'digest', session.at('coredump:0.2.0'))).trim()
    const reference = session.at(`coredump@${digest}`)
    await cosign(...SIGN, '--registry-referrers-mode=oci-1-1', reference)
    const { manifests } = await session.json<{ manifests: unknown[] }>(`/v2/coredump/referrers/${digest}`)
    expect(manifests).to.have.length(1)
    const [claim] = JSON.parse(await cosign(...VERIFY, '--experimental-oci11', reference))
    expect(claim.critical.image['docker-manifest-digest']).to.equal(digest)
  })

  it('attests, and verifies the attestation', async () => {
    const reference = session.at(`images/app@${image.digest}`)
    const key = ['--key', 'cosign.key', '--tlog-upload=false', '--allow-http-registry', '-y']
    await cosign(
      'attest',
      ...key,
      '--predicate',
      session.path('image/oci-layout'),
      '--type',
      'custom',
      reference,
    )
    const check = [
      '--key',
      'cosign.pub',
      '--insecure-ignore-tlog',
      '--allow-http-registry',
      '--type',
      'custom',
    ]
    expect(await cosign('verify-attestation', ...check, reference)).to.contain('payload')
  })
})
