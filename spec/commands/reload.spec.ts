import { copyFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect } from 'chai'
import { ask, Wire } from '../support/ask.ts'
import { Command } from '../support/command.ts'
import { upload } from '../support/form.ts'
import { sessionPath } from '../support/oci.ts'
import { plugin } from '../support/plugins.ts'
import { signer } from '../support/signer.ts'
import { tmpDir } from '../support/tmp.ts'
import { until } from '../support/until.ts'

describe('commands/reload: SIGHUP while the registry serves', () => {
  const fresh = tmpDir()
  const [alice, bob] = [signer(), signer()]
  const authorized = { authorization: 'Bearer given' }
  const [first, second] = ['libmemflow_coredump-0.2.0.x86_64.so', 'libmemflow_native-0.2.0.x86_64.so'].map(
    name => plugin(name as Parameters<typeof plugin>[0]).bytes,
  ) as [Buffer, Buffer]
  let folder: string
  let command: Command
  let url: string

  const settings = (...lines: string[]) =>
    writeFile(
      join(folder, '.env'),
      [
        'MEMFLOW_ADDR=127.0.0.1:0',
        'MEMFLOW_BEARER_TOKEN=given',
        'MEMFLOW_PUBLIC_KEY_FILE=key.pem',
        ...lines,
      ].join('\n'),
    )

  const publish = async (bytes: Buffer, signature: string) => {
    const { headers, body } = upload(bytes, signature)
    return (await ask(url, 'POST', '/files', { headers: { ...headers, ...authorized }, body })).status
  }

  /** Sends the signal, and returns what is logged because of it. */
  async function reloaded(): Promise<string> {
    const before = command.stderr.length
    command.process.kill('SIGHUP')
    await until(() => /reloaded/.test(command.stderr.slice(before)))
    return command.stderr.slice(before)
  }

  beforeEach(async () => {
    folder = await fresh()
    await copyFile(alice.pem, join(folder, 'key.pem'))
    await settings()
    command = new Command(['serve'], folder)
    url = await command.url()
  })

  afterEach(async () => {
    await command.stop('SIGKILL')
  })

  it('takes other keys, and a transfer under way goes on', async () => {
    const session = sessionPath(await ask(url, 'POST', '/v2/a/blobs/uploads/', { headers: authorized }))
    const wire = await Wire.open(url)
    wire.head(`PATCH ${session} HTTP/1.1`, 'Host: x', 'Authorization: Bearer given', 'Content-Length: 10')
    wire.send(Buffer.from('01234'))
    expect(await publish(first, alice.sign(first))).to.equal(200)
    await copyFile(bob.pem, join(folder, 'key.pem'))
    await reloaded()
    expect(await publish(second, alice.sign(second))).to.equal(400)
    expect(await publish(second, bob.sign(second))).to.equal(200)
    wire.send(Buffer.from('56789'))
    expect(await wire.until(/\r\n\r\n/)).to.match(/^HTTP\/1\.1 202 /)
    wire.cut()
    expect(await command.stop()).to.include({ code: 0 })
  })

  it('takes other limits, and names each setting that waits for the next start', async () => {
    await settings('MEMFLOW_MAX_BLOB_SIZE=1KiB', 'MEMFLOW_CACHE_SIZE=1MiB', 'MEMFLOW_GC_EVERY=2h')
    const log = await reloaded()
    await until(() => command.stderr.includes('MEMFLOW_GC_EVERY: '))
    expect(command.stderr).to.include(
      'MEMFLOW_CACHE_SIZE: it was changed, which takes effect at the next start',
    )
    expect(log).not.to.include('MEMFLOW_MAX_BLOB_SIZE')
    const path = `/v2/a/blobs/uploads/?digest=sha256:${'0'.repeat(64)}`
    const answer = await ask(url, 'POST', path, { headers: authorized, body: Buffer.alloc(1025) })
    expect(answer.status).to.equal(413)
  })

  it('settings that are wrong -> nothing changes, and the log says why', async () => {
    await settings('MEMFLOW_MAX_BLOB_SIZE=1KiB', 'MEMFLOW_LOG=loud')
    expect(await reloaded()).to.match(/nothing was reloaded: MEMFLOW_LOG: /)
    await writeFile(join(folder, 'key.pem'), 'no key')
    await settings('MEMFLOW_MAX_BLOB_SIZE=1KiB')
    expect(await reloaded()).to.match(/nothing was reloaded: MEMFLOW_PUBLIC_KEY_FILE: /)
    expect(await publish(first, alice.sign(first))).to.equal(200)
    const path = `/v2/a/blobs/uploads/?digest=sha256:${'0'.repeat(64)}`
    const answer = await ask(url, 'POST', path, { headers: authorized, body: Buffer.alloc(1025) })
    expect(answer.status, 'the digest is wrong, the size is not').to.equal(400)
  })

  it('takes another level of the log', async () => {
    await settings('MEMFLOW_LOG=off')
    command.process.kill('SIGHUP')
    // Nothing tells that it is off but that requests leave no line.
    await until(async () => {
      const before = command.stderr.length
      // One is answered by the cache, the other one is not.
      for (const path of ['/v2/x/tags/list', '/plugins', '/plugins', '/plugins']) await ask(url, 'GET', path)
      return command.stderr.length === before
    })
    await settings('MEMFLOW_LOG=info')
    await reloaded()
    expect(await command.stop()).to.include({ code: 0 })
  })
})
