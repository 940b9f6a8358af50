import { chmod, chown, copyFile, readFile } from 'node:fs/promises'
import { expect } from 'chai'
import { describeWith } from '../support/clients.ts'
import { fixture } from '../support/fixtures.ts'
import { TOKEN } from '../support/server.ts'
import { Session } from '../support/session.ts'

/** memflowup does not work as root; this is nobody. */
const NOBODY = 65534

const OLD = fixture('libmemflow_coredump-0.2.0.x86_64.so')
const NEW = fixture('libmemflow_coredump-0.2.1.x86_64.so')
const WINDOWS = fixture('memflow_coredump-0.2.1.x86_64.dll')
const PAIR = fixture('libmemflow_pair-0.2.0.x86_64.so')

describeWith('MEMFLOWUP', "the memflowup binary's path", 'memflowup', () => {
  let session: Session
  before(async () => {
    session = await Session.start()
    await copyFile(process.env.MEMFLOWUP ?? '', session.path('memflowup'))
    await chmod(session.path('memflowup'), 0o755)
    if (process.getuid?.() === 0) await chown(session.home, NOBODY, NOBODY)
    for (const plugin of [OLD, NEW, WINDOWS]) expect(await session.upload(plugin.file)).to.equal('"Added"')
  })
  after(() => session?.stop())

  /** All that memflowup says; it ends with 0 after most failures as well. */
  async function memflowup(...args: string[]): Promise<string> {
    const { stdout, stderr } = await session.outcome(
      session.path('memflowup'),
      ['--skip-version-check', ...args],
      process.getuid?.() === 0 ? { uid: NOBODY } : {},
    )
    return stdout.toString() + stderr
  }

  const installed = (name: string, digest: string) =>
    session.path(`.local/lib/memflow/libmemflow_${name}_${digest.slice(0, 7)}.so`)

  it('is configured to use the registry', async () => {
    await memflowup('config', 'set', 'registry', session.server.url)
    await memflowup('config', 'set', 'pub_key_file', session.key.publicFile)
    await memflowup('config', 'set', 'priv_key_file', session.key.privateFile)
    expect(await memflowup('config', 'get')).to.contain(session.server.url)
  })

  it('lists the plugins', async () => {
    const said = await memflowup('registry', 'ls')
    expect(said).to.match(/^NAME +DESCRIPTION$/m)
    expect(said).to.match(new RegExp(`^coredump +${OLD.descriptor.description}$`, 'm'))
  })

  it('lists the versions for this machine, and for all', async () => {
    const mine = await memflowup('registry', 'ls', 'coredump')
    expect(mine).to.contain(OLD.digest).and.to.contain(NEW.digest)
    expect(mine).not.to.contain(WINDOWS.digest)
    expect(await memflowup('registry', 'ls', '--all-archs', 'coredump')).to.match(
      new RegExp(`^coredump +0.2.1 +pe/x86_64 +1 +${WINDOWS.digest.slice(0, 7)} +${WINDOWS.digest}`, 'm'),
    )
  })

  it('pulls the newest build for this machine', async () => {
    expect(await memflowup('pull', 'coredump')).to.contain('Wrote plugin to')
    expect((await readFile(installed('coredump', NEW.digest))).equals(NEW.bytes)).to.equal(true)
  })

  it('pulls a version by the URI of the plugin', async () => {
    const said = await memflowup('pull', `${session.server.url}/coredump:0.2.0`)
    expect(said).to.contain('Wrote plugin to')
    expect((await readFile(installed('coredump', OLD.digest))).equals(OLD.bytes)).to.equal(true)
  })

  it('pulls by a short digest, and sees that the plugin is already there', async () => {
    const said = await memflowup('pull', `coredump:${OLD.digest.slice(0, 7)}`)
    expect(said).to.contain('already exists with the same checksum')
  })

  it('keeps the metadata beside the plugin', async () => {
    const meta = JSON.parse(await readFile(installed('coredump', OLD.digest).replace(/so$/, 'meta'), 'utf8'))
    expect(meta.digest).to.equal(OLD.digest)
    expect(meta.descriptors).to.deep.equal(OLD.descriptors)
    expect(await memflowup('plugins', 'ls')).to.contain(OLD.digest.slice(0, 7))
  })

  it('is told that a version does not exist', async () => {
    expect(await memflowup('pull', 'coredump:9.9.9')).to.contain('not found')
  })

  it('verifies the signature of a plugin that openssl signed with high S', async () => {
    const high = fixture('libmemflow_coredump-0.2.1-abi2.x86_64.so')
    expect(await session.upload(high.file, await session.key.sign(high.file, 'high'))).to.equal('"Added"')
    expect(await memflowup('pull', 'coredump')).to.contain('Wrote plugin to')
    expect((await readFile(installed('coredump', high.digest))).equals(high.bytes)).to.equal(true)
  })

  it('is refused a push without the token and with a wrong one, and says why', async () => {
    for (const token of [[], ['--token', 'wrong']])
      expect(await memflowup('push', '--file', ...token, PAIR.file)).to.match(
        /Unable to upload plugin .*(Bearer|token)/i,
      )
  })

  it('pushes a plugin with two descriptors, and pulls it by either name', async () => {
    expect(await memflowup('push', '--file', '--token', TOKEN, PAIR.file)).to.contain('Uploaded plugin')
    expect(await memflowup('push', '--file', '--token', TOKEN, PAIR.file)).to.contain('already exists')
    const [first] = PAIR.descriptors
    for (const { name } of PAIR.descriptors)
      expect(await memflowup('pull', '--force', name)).to.contain('Wrote plugin to')
    expect((await readFile(installed(first?.name ?? '', PAIR.digest))).equals(PAIR.bytes)).to.equal(true)
  })

  it('removes a plugin by its digest, and by a short one', async () => {
    expect(await memflowup('registry', 'rm', '--token', TOKEN, PAIR.digest)).not.to.contain('Unable')
    expect((await session.get(`/files/${PAIR.digest}`)).status).to.equal(404)
    await memflowup('registry', 'rm', '--token', TOKEN, OLD.digest.slice(0, 7))
    expect(await memflowup('registry', 'ls', 'coredump')).not.to.contain(OLD.digest)
  })
})
