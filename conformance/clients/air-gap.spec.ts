import { readdir, readFile, writeFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { expect } from 'chai'
import { describeClients } from '../support/clients.ts'
import { BUILDS, buildFor } from '../support/fixtures.ts'
import { type Server, startServer, TOKEN } from '../support/server.ts'
import { Session } from '../support/session.ts'

const CLI = fileURLToPath(new URL('../../dist/cli.js', import.meta.url))

/** Synced from one registry, carried as an OCI layout, restored into another, which reaches nobody. */
describeClients(['oras', 'curl', 'openssl'], 'an air gap', () => {
  const build = buildFor('linux/amd64')
  let session: Session
  let beyond: Server

  const registry = async (args: string[], storage: string) => {
    const env = { MEMFLOW_STORAGE_ROOT: storage, MEMFLOW_MIRRORS_FILE: 'mirrors.json' }
    const { code, stdout, stderr } = await session.outcome(process.execPath, [CLI, ...args], { env })
    expect(code, `${args.join(' ')}: ${stdout}${stderr}`).to.equal(0)
    return stdout
  }
  const oras = (...args: string[]) => session.run('oras', ...args, '--plain-http')

  before(async () => {
    session = await Session.start()
    await oras('login', session.server.host, '-u', 'any', '-p', TOKEN)
    for (const { file } of BUILDS) expect(await session.upload(file)).to.equal('"Added"')
    await writeFile(session.path('hello.txt'), 'hello\n')
    await oras('push', session.at('team/docs:v1'), 'hello.txt')
    await oras('attach', session.at('team/docs:v1'), '--artifact-type', 'a/note', 'hello.txt')
    const { url } = session.server
    const mirrors = [
      { name: 'up', kind: 'oci', url, prefix: 'up' },
      { name: 'official', kind: 'memflow', url, publicKeyFile: session.key.publicFile },
    ]
    await writeFile(session.path('mirrors.json'), JSON.stringify({ mirrors }))
    expect(await registry(['mirror', 'sync', 'up', 'team/docs'], 'mirror')).to.match(/1 tag, 2 manifests/)
    expect(await registry(['mirror', 'sync', 'official', '--all'], 'mirror')).to.match(
      new RegExp(`^coredump: ${BUILDS.length} blobs`),
    )
    await registry(['backup', 'layout'], 'mirror')
    await session.server.stop()
    const folder = await session.folder('beyond')
    await registry(['restore', 'layout'], `${folder}/storage`)
    beyond = await startServer(folder, { MEMFLOW_PUBLIC_KEY_FILE: session.key.publicFile })
  })
  after(async () => {
    await beyond?.stop()
    await session?.stop()
  })

  const pulled = async (...args: string[]) => {
    const folder = await session.folder(args.join('-').replace(/\W/g, '-'))
    await oras('pull', ...args, '-o', folder)
    const [file = ''] = await readdir(folder)
    return readFile(`${folder}/${file}`)
  }

  it('oras pulls a plugin from behind it', async () => {
    const file = await pulled(`${beyond.host}/coredump:latest`, '--platform', build.platform)
    expect(file.equals(build.bytes)).to.equal(true)
  })

  it('oras pulls what was mirrored over OCI, and finds what is attached to it', async () => {
    const mirrored = `${beyond.host}/up/team/docs:v1`
    expect((await pulled(mirrored)).toString()).to.equal('hello\n')
    expect(await oras('discover', mirrored)).to.contain('a/note')
  })

  it('curl gets the plugin as memflow’s clients do', async () => {
    const file = await session.bytes('curl', '-sSf', `${beyond.url}/files/${build.digest}`)
    expect(file.equals(build.bytes)).to.equal(true)
    const { plugins } = (await (await fetch(`${beyond.url}/plugins/coredump?limit=50`)).json()) as {
      plugins: unknown[]
    }
    expect(plugins).to.have.length(BUILDS.length)
  })
})
