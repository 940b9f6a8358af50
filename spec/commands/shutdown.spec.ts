import { randomBytes } from 'node:crypto'
import { readdir, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect } from 'chai'
import { digestOf } from '../../src/oci/digest.ts'
import { BLOCK } from '../../src/store/direct-writer.ts'
import { type Answer, ask, Wire } from '../support/ask.ts'
import { Command } from '../support/command.ts'
import { sessionPath } from '../support/oci.ts'
import { tmpDir } from '../support/tmp.ts'
import { until } from '../support/until.ts'

describe('serve: stopping and starting again', () => {
  const fresh = tmpDir()
  const bytes = randomBytes(3_000_000)
  const digest = digestOf(bytes)
  const headers = { authorization: 'Bearer given' }
  const running: Command[] = []
  let folder: string

  async function start(): Promise<{ command: Command; url: string }> {
    const env = { MEMFLOW_ADDR: '127.0.0.1:0', MEMFLOW_BEARER_TOKEN: 'given' }
    const command = new Command(['serve'], folder, env)
    running.push(command)
    return { command, url: await command.url() }
  }

  async function begin(url: string): Promise<string> {
    return sessionPath(await ask(url, 'POST', '/v2/a/blobs/uploads/', { headers }))
  }

  const offset = (answer: Answer) => Number(/^0-(\d+)$/.exec(`${answer.headers.range}`)?.[1]) + 1

  /** Bytes in the staged file of the session. The session itself reports none while a request writes to it. */
  async function stagedSize(session: string): Promise<number> {
    const uploads = join(folder, '.storage/uploads')
    const names = await readdir(uploads)
    const name = names.find(staged => staged.startsWith(session.split('/').at(-1) ?? '?'))
    return name === undefined ? 0 : (await stat(join(uploads, name))).size
  }

  /** A chunk of all bytes whose client has sent the first million. */
  async function half(url: string, session: string): Promise<Wire> {
    const wire = await Wire.open(url)
    const length = `Content-Length: ${bytes.length}`
    wire.head(`PATCH ${session} HTTP/1.1`, 'Host: x', 'Authorization: Bearer given', length)
    wire.send(bytes.subarray(0, 1_000_000))
    // The first block of them is in the file; the rest of them, which is less than one, when the client goes.
    await until(async () => (await stagedSize(session)) >= BLOCK)
    return wire
  }

  /** Waits until the server takes no connections. */
  async function refused(url: string): Promise<void> {
    await until(() =>
      ask(url, 'GET', '/health').then(
        () => false,
        () => true,
      ),
    )
  }

  async function goOn(url: string, session: string): Promise<void> {
    // 416 until the server has noticed that the client is gone, and has written what came of it.
    const put = await until(async () => {
      const at = offset(await ask(url, 'GET', session, { headers }))
      expect(at).to.be.within(BLOCK, 1_000_000)
      const range = { 'content-range': `${at}-${bytes.length - 1}` }
      const question = { headers: { ...headers, ...range }, body: bytes.subarray(at) }
      const answer = await ask(url, 'PUT', `${session}?digest=${digest}`, question)
      return answer.status === 416 ? undefined : answer
    })
    expect(put.status).to.equal(201)
    expect((await ask(url, 'GET', `/v2/a/blobs/${digest}`)).bytes.equals(bytes)).to.equal(true)
  }

  beforeEach(async () => {
    folder = await fresh()
  })

  afterEach(async () => {
    for (const command of running.splice(0)) {
      command.process.kill('SIGKILL')
      await command.ended
    }
  })

  it('an upload whose client vanishes in the middle of a chunk -> goes on, at once and behind a restart', async () => {
    const first = await start()
    const [now, later] = [await begin(first.url), await begin(first.url)]
    for (const session of [now, later]) {
      const wire = await half(first.url, session)
      wire.cut()
    }
    await goOn(first.url, now)
    expect(await first.command.stop()).to.include({ code: 0 })
    await goOn((await start()).url, later)
  })

  it('a client that vanishes while the registry stops -> it stops, and the upload goes on behind the restart', async () => {
    const first = await start()
    const session = await begin(first.url)
    const wire = await half(first.url, session)
    first.command.process.kill('SIGTERM')
    await refused(first.url)
    expect(first.command.process.exitCode).to.equal(null)
    wire.cut()
    expect(await first.command.ended).to.include({ code: 0 })
    await goOn((await start()).url, session)
  })

  it('SIGKILL in the middle of a chunk -> the upload goes on behind the restart', async () => {
    const first = await start()
    const session = await begin(first.url)
    await half(first.url, session)
    await first.command.stop('SIGKILL')
    await goOn((await start()).url, session)
  })

  it('a storage that a newer program has laid out -> 2 and one line that says what to do', async () => {
    const { command } = await start()
    await command.stop()
    await writeFile(join(folder, '.storage/layout'), '{"version":2}')
    const refused = new Command(['serve'], folder)
    running.push(refused)
    expect(await refused.ended).to.deep.equal({
      code: 2,
      stdout: '',
      stderr:
        'memflow-registry: MEMFLOW_STORAGE_ROOT: .storage cannot be used: its layout is version 2 and this program ' +
        'knows 1: start a newer memflow-registry, or restore a backup\n',
    })
  })
})
