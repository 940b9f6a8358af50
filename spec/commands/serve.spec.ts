import { existsSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { expect } from 'chai'
import { Command, type Ended } from '../support/command.ts'
import { tmpDir } from '../support/tmp.ts'

describe('commands/serve', () => {
  const fresh = tmpDir()
  let folder: string

  const serve = (env: Record<string, string>): Promise<Ended> => new Command(['serve'], folder, env).ended

  beforeEach(async () => {
    folder = await fresh()
  })

  it('an address that is taken -> 2 and one line in words, and no storage is made', async () => {
    const taken = createServer()
    await new Promise<void>(resolve => taken.listen(0, '127.0.0.1', resolve))
    const { port } = taken.address() as { port: number }
    const ended = await serve({ MEMFLOW_ADDR: `127.0.0.1:${port}` })
    taken.close()
    expect(ended).to.deep.equal({
      code: 2,
      stdout: '',
      stderr: `memflow-registry: MEMFLOW_ADDR: cannot listen on 127.0.0.1:${port}: it is in use by another process: stop that, or set another port\n`,
    })
    expect(existsSync(join(folder, '.storage'))).to.equal(false)
  })

  it('an address that this machine does not have -> 2 and one line in words', async () => {
    const { code, stderr } = await serve({ MEMFLOW_ADDR: '192.0.2.1:3000' })
    expect(code).to.equal(2)
    expect(stderr).to.match(/^[^\n]+ 192\.0\.2\.1:3000: this machine has no such address: [^\n]+\n$/)
  })

  it('a storage in a folder that takes no names, such as /proc -> 2 at once', async () => {
    const { code, stdout, stderr } = await serve({
      MEMFLOW_ADDR: '127.0.0.1:0',
      MEMFLOW_STORAGE_ROOT: '/proc/x/y',
    })
    expect({ code, stdout }).to.deep.equal({ code: 2, stdout: '' })
    expect(stderr).to.match(
      /^memflow-registry: MEMFLOW_STORAGE_ROOT: \/proc\/x\/y cannot be used: ENOENT[^\n]+\n$/,
    )
  })

  it('prints the storage as an absolute path', async () => {
    const command = new Command(['serve'], folder, { MEMFLOW_ADDR: '127.0.0.1:0' })
    await command.url()
    expect(command.stdout).to.match(new RegExp(`^memflow-registry serves \\S+ from ${folder}/.storage\n`))
    expect(await command.stop()).to.include({ code: 0 })
  })
})
