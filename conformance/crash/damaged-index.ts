import { execFile } from 'node:child_process'
import { cp, mkdir, mkdtemp, readdir, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect } from 'chai'
import { FILE_DAMAGE } from '../../spec/support/file-damage.ts'
import { upload } from '../../spec/support/form.ts'
import { EMPTY, imageIndex, imageManifest } from '../../spec/support/oci.ts'
import { type PluginFile, plugin } from '../../spec/support/plugins.ts'
import { crawl, type Served, served } from '../../spec/support/served.ts'
import { Random } from '../support/random.ts'
import { type Server, startServer } from '../support/server.ts'
import { contentOf, RegistryClient } from './registry-client.ts'

const CLI = fileURLToPath(new URL('../../dist/cli.js', import.meta.url))

/** Which places of which files are damaged; `DAMAGE=all` takes them all, which takes minutes. */
const SEED = Number(process.env.SEED ?? 1)
const ALL = process.env.DAMAGE === 'all'

/**
 * A storage folder whose index or journal is damaged in any way: a registry that starts answers as before or with an
 * error, one that does not says what to run, and behind that it answers as before.
 */
describe(`a damaged index (SEED=${SEED})`, () => {
  const random = new Random(SEED, 0)
  let work: string
  let paths: string[]
  let right: Served

  before(async () => {
    work = await mkdtemp(join(tmpdir(), 'damaged-index-'))
    const folder = join(work, 'stopped')
    await session(folder, async url => {
      await publish(url, 'libmemflow_coredump-0.2.0.x86_64.so')
      await pushImage(url, 'app', 'v1', {})
    })
    // A snapshot, and a segment behind it.
    expect((await command(folder, 'reindex')).code).to.equal(0)
    await session(folder, async url => {
      await publish(url, 'memflow_coredump-0.2.0.x86_64.dll')
      const subject = await pushImage(url, 'app', 'v2', { annotations: { of: 'v2' } })
      await pushImage(url, 'app', 'sbom', { subject, artifactType: 'application/vnd.sbom' })
    })
    const server = await start(folder)
    await publish(server.url, 'libmemflow_pair-0.2.0.x86_64.so')
    await pushManifest(server.url, 'app', 'v1', imageIndex([]))
    paths = await crawl(server.url)
    right = await served(server.url, paths)
    expect(paths.length).to.be.above(40)
    expect(Object.values(right).filter(answer => !answer.startsWith('200 '))).to.deep.equal([])
    await server.kill()
    await copied('stopped', 'killed')
    await session(folder, async () => {})
  })

  after(() => rm(work, { recursive: true, force: true }))

  const start = (folder: string) => startServer(folder, { MEMFLOW_LOG: 'error' })

  async function session(folder: string, use: (url: string) => Promise<void>): Promise<void> {
    const server = await start(folder)
    await use(server.url)
    await server.stop()
  }

  async function publish(url: string, file: PluginFile): Promise<void> {
    const { headers, body } = upload(plugin(file).bytes, '00')
    expect((await new RegistryClient(url).ask('POST', '/files', body, headers)).status).to.equal(200)
  }

  async function pushImage(url: string, repository: string, tag: string, more: object) {
    const path = `/v2/${repository}/blobs/uploads/?digest=${EMPTY.digest}`
    expect((await new RegistryClient(url).ask('POST', path, Buffer.from('{}'))).status).to.equal(201)
    return pushManifest(url, repository, tag, imageManifest([EMPTY], more))
  }

  async function pushManifest(url: string, repository: string, tag: string, bytes: Buffer) {
    const { mediaType } = JSON.parse(bytes.toString()) as { mediaType: string }
    const path = `/v2/${repository}/manifests/${tag}`
    const { status } = await new RegistryClient(url).ask('PUT', path, bytes, { 'content-type': mediaType })
    expect(status).to.equal(201)
    return { mediaType, digest: contentOf(bytes).digest, size: bytes.length }
  }

  /** A copy of that folder's storage, but for its blobs, which it has in common. */
  async function copied(name: string, to: string): Promise<string> {
    const [source, target] = [join(work, name, 'storage'), join(work, to, 'storage')]
    await mkdir(target, { recursive: true })
    for (const part of ['index', 'journal', 'layout'])
      await cp(join(source, part), join(target, part), { recursive: true })
    await symlink(join(work, 'stopped', 'storage', 'blobs'), join(target, 'blobs'))
    return join(work, to)
  }

  function command(folder: string, ...args: string[]): Promise<{ code: number; said: string }> {
    const env = {
      PATH: process.env.PATH,
      MEMFLOW_STORAGE_ROOT: join(folder, 'storage'),
      MEMFLOW_LOG: 'error',
    }
    return new Promise(resolve => {
      execFile(process.execPath, [CLI, ...args], { cwd: folder, env }, (error, stdout, stderr) =>
        resolve({ code: typeof error?.code === 'number' ? error.code : 0, said: stdout + stderr }),
      )
    })
  }

  /** Starts on a damaged copy, having run what the messages say; what is served then, what was run, and what that said. */
  async function recovered(folder: string): Promise<{ answers: Served; ran: string[]; said: string }> {
    const ran: string[] = []
    let said = ''
    for (;;) {
      let server: Server
      try {
        server = await start(folder)
      } catch (error) {
        said = (error as Error).message
        expect(said, said).to.match(/the server ended with 2:/)
        for (let code = 2; code === 2; ) {
          const [, option = ''] = /memflow-registry reindex( --[a-z-]+)?$/m.exec(said) ?? expect.fail(said)
          expect(ran, said).not.to.include(option.trim())
          ran.push(option.trim())
          ;({ code, said } = await command(folder, 'reindex', ...option.split(' ').filter(Boolean)))
        }
        continue
      }
      const answers = await served(server.url, paths)
      await server.stop()
      return { answers, ran, said }
    }
  }

  let copies = 0
  const copy = (state: string) => copied(state, `copy-${copies++}`)

  /** Damaged copies: one for a file of each kind, or for every damage to every file. */
  async function* damages(part: 'index' | 'journal'): AsyncIterable<{ what: string; folder: string }> {
    for (const state of ALL ? ['stopped', 'killed'] : ['killed']) {
      for (const name of await filesOf(state, part)) {
        for (const how of ALL ? Object.keys(FILE_DAMAGE) : [random.of(Object.keys(FILE_DAMAGE))]) {
          const folder = await copy(state)
          await FILE_DAMAGE[how]?.(join(folder, 'storage', part, name))
          yield { what: `${state}, ${part}/${name} ${how}`, folder }
          await rm(folder, { recursive: true })
        }
      }
    }
  }

  async function filesOf(state: string, part: string): Promise<Iterable<string>> {
    // Locks and LevelDB's words for people hold nothing.
    const names = (await readdir(join(work, state, 'storage', part))).filter(
      name => !/^LO(?:G|CK)/.test(name),
    )
    return ALL
      ? names
      : new Map(names.map(name => [/^CURRENT|^MANIFEST|\w+$/.exec(name)?.[0], name])).values()
  }

  it('LevelDB lost -> reindex --from-journal, and all answers are the same', async () => {
    const folder = await copy('killed')
    await rm(join(folder, 'storage', 'index'), { recursive: true })
    const { answers, ran } = await recovered(folder)
    expect(ran).to.deep.equal(['--from-journal'])
    expect(answers).to.deep.equal(right)
    expect(await command(folder, 'fsck')).to.have.property('code', 0)
  })

  it('files of LevelDB damaged -> the same answers, at once or behind reindex --from-journal', async () => {
    for await (const { what, folder } of damages('index')) {
      const { answers, ran } = await recovered(folder)
      expect(answers, what).to.deep.equal(right)
      expect(
        ran.filter(option => option !== '--from-journal'),
        what,
      ).to.deep.equal([])
    }
  }).timeout(ALL ? 1_200_000 : 240_000)

  it('files of the journal damaged -> the same answers, at once or behind reindex; fsck mends the rest', async () => {
    for await (const { what, folder } of damages('journal')) {
      const { answers, ran } = await recovered(folder)
      expect(answers, what).to.deep.equal(right)
      expect(
        ran.filter(option => option !== ''),
        what,
      ).to.deep.equal([])
      const { code, said } = await command(folder, 'fsck', '--repair')
      expect(code, `${what}: ${said}`).to.equal(0)
      await rm(join(folder, 'storage', 'index'), { recursive: true })
      const again = await recovered(folder)
      expect(again.answers, what).to.deep.equal(right)
      expect(again.ran, what).to.deep.equal(['--from-journal'])
    }
  }).timeout(ALL ? 1_200_000 : 240_000)

  it('both damaged -> reindex --salvage says what is lost, and the rest is there', async () => {
    const folder = await copy('killed')
    await rm(join(folder, 'storage', 'index'), { recursive: true })
    const journal = join(folder, 'storage', 'journal')
    const [name = ''] = (await readdir(journal)).filter(one => one.endsWith('.log')).sort()
    await FILE_DAMAGE['changed at place 3 of 4']?.(join(journal, name))
    const { answers, ran, said } = await recovered(folder)
    expect(ran).to.deep.equal(['--from-journal', '--salvage'])
    expect(said).to.match(/^journal\/\d+\.log is damaged at byte \d+: it lacks changes? \d+/m)
    expect(said).to.match(/^what it was made of is in \S+; remove that when nothing is missed$/m)
    const wrong = paths.filter(path => answers[path] !== right[path])
    // Lists are shorter, and what is gone is unknown; nothing is another thing.
    expect(wrong.length, wrong.join('\n')).to.be.below(paths.length / 2)
    for (const path of wrong.filter(one => /\/(?:blobs|files)\//.test(one)))
      expect(answers[path]).to.match(/^404 /)
  })

  it('`layout` damaged -> 2, and what to write into it', async () => {
    const folder = await copy('stopped')
    await writeFile(join(folder, 'storage', 'layout'), 'x')
    const failure = await start(folder).catch(error => error)
    expect(failure.message).to.match(
      /the server ended with 2:\n.*layout is damaged: write \{"version":1\} into it/,
    )
  })

  it('index and journal lost -> 2, and what can be done', async () => {
    const folder = await copy('stopped')
    for (const part of ['index', 'journal']) await rm(join(folder, 'storage', part), { recursive: true })
    const failure = await start(folder).catch(error => error)
    expect(failure.message).to.match(
      /the server ended with 2:\n.* its index and journal are lost: restore a backup, or/,
    )
  })
})
