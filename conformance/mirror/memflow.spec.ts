import { chmod, chown, copyFile, readFile } from 'node:fs/promises'
import { expect } from 'chai'
import { describeWith } from '../support/clients.ts'
import { fixture } from '../support/fixtures.ts'
import { Session } from '../support/session.ts'
import { ask } from './ask.ts'

/** memflowup does not work as root; this is nobody. */
const NOBODY = 65534

const OLD = fixture('libmemflow_coredump-0.2.0.x86_64.so')
const NEW = fixture('libmemflow_coredump-0.2.1.x86_64.so')
const OWN = fixture('libmemflow_native-0.2.0.x86_64.so')

describeWith('MEMFLOWUP', "the memflowup binary's path", 'a memflow upstream', () => {
  let upstream: Session
  let mirror: Session

  before(async () => {
    upstream = await Session.start()
    for (const { file } of [OLD, NEW]) expect(await upstream.upload(file)).to.equal('"Added"')
    mirror = await Session.start({
      MEMFLOW_UPSTREAM: upstream.server.url,
      MEMFLOW_UPSTREAM_PUBLIC_KEY_FILE: upstream.key.publicFile,
    })
    expect(await mirror.upload(OWN.file)).to.equal('"Added"')
    await copyFile(process.env.MEMFLOWUP ?? '', mirror.path('memflowup'))
    await chmod(mirror.path('memflowup'), 0o755)
    await copyFile(upstream.key.publicFile, mirror.path('upstream.pem'))
    if (process.getuid?.() === 0) await chown(mirror.home, NOBODY, NOBODY)
  })

  after(async () => {
    await mirror?.stop()
    await upstream?.stop()
  })

  /** All that memflowup says; it ends with 0 after most failures as well. */
  async function memflowup(...args: string[]): Promise<string> {
    const options = process.getuid?.() === 0 ? { uid: NOBODY } : {}
    const words = ['--skip-version-check', ...args]
    const { stdout, stderr } = await mirror.outcome(mirror.path('memflowup'), words, options)
    return stdout.toString() + stderr
  }

  const installed = (digest: string) =>
    readFile(mirror.path(`.local/lib/memflow/libmemflow_coredump_${digest.slice(0, 7)}.so`))

  const oras = async (reference: string) => {
    const to = await mirror.folder('pulled')
    const platform = ['--platform', 'linux/amd64']
    await mirror.run('oras', 'pull', '--plain-http', ...platform, '-o', to, mirror.at(reference))
    return await readFile(`${to}/libmemflow_coredump.x86_64.so`)
  }

  it('memflowup lists its plugins with those that are here', async () => {
    await memflowup('config', 'set', 'registry', mirror.server.url)
    await memflowup('config', 'set', 'pub_key_file', mirror.path('upstream.pem'))
    expect(await memflowup('registry', 'ls'))
      .to.match(/^coredump /m)
      .and.match(/^native /m)
    expect(await memflowup('registry', 'ls', 'coredump'))
      .to.contain(OLD.digest)
      .and.contain(NEW.digest)
  })

  it('memflowup pulls a plugin, whose signature it verifies', async () => {
    expect(await memflowup('pull', 'coredump')).to.contain('Wrote plugin to')
    expect((await installed(NEW.digest)).equals(NEW.bytes)).to.equal(true)
  })

  it('then oras pulls it too, and both do when the upstream is gone', async () => {
    expect((await oras('coredump:0.2.1')).equals(NEW.bytes)).to.equal(true)
    await upstream.server.stop()
    expect((await oras('coredump:0.2.1')).equals(NEW.bytes)).to.equal(true)
    expect(await memflowup('pull', '--force', 'coredump:0.2.1')).to.contain('Wrote plugin to')
  })

  it('what was not pulled before it was gone -> 503, and why', async () => {
    const answer = await ask(`${mirror.server.url}/files/${OLD.digest}`)
    expect(answer.status).to.equal(503)
    expect(answer.bytes.toString()).to.contain(upstream.server.url)
  })
})
