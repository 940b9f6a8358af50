import { chmod, mkdir, readdir, readFile, stat, writeFile } from 'node:fs/promises'
import type { AddressInfo } from 'node:net'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { expect } from 'chai'
import packageJson from '../package.json' with { type: 'json' }
import { digestOf } from '../src/oci/digest.ts'
import { ask, Wire } from './support/ask.ts'
import { Command } from './support/command.ts'
import { signer } from './support/signer.ts'
import { tmpDir } from './support/tmp.ts'
import { until } from './support/until.ts'

const LOOPBACK = { MEMFLOW_ADDR: '127.0.0.1:0' }

/** Waits until nobody listens there. */
async function refused(url: string): Promise<void> {
  while (true) {
    try {
      ;(await Wire.open(url)).cut()
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException
      if (code === 'ECONNREFUSED') return
      // The kernel had taken the connection for a listener that closed before it did.
      expect(code).to.equal('ECONNRESET')
    }
  }
}

describe('cli', () => {
  const fresh = tmpDir()
  const { pem } = signer()
  const running: Command[] = []

  afterEach(async () => {
    for (const command of running.splice(0)) {
      command.process.kill('SIGKILL')
      await command.ended
    }
  })

  async function run(
    args: readonly string[],
    env: Record<string, string> = {},
    cwd?: string,
  ): Promise<Command> {
    const command = new Command(args, cwd ?? (await fresh()), env)
    running.push(command)
    return command
  }

  const serve = (env: Record<string, string> = {}, cwd?: string) =>
    run(['serve'], { ...LOOPBACK, ...env }, cwd)

  it('--help and --version -> 0 and the text on stdout', async () => {
    const [help, version] = await Promise.all([
      run(['--help']).then(({ ended }) => ended),
      run(['--version']).then(({ ended }) => ended),
    ])
    expect(help).to.include({ code: 0, stderr: '' })
    expect(help.stdout)
      .to.match(/^Usage: memflow-registry /)
      .and.match(/\n {2}serve /)
      .and.include('.env.example')
    expect(version).to.deep.equal({ code: 0, stdout: `${packageJson.version}\n`, stderr: '' })
  })

  it('an unknown command, and none -> not 0, and what there is on stderr', async () => {
    const [unknown, none] = await Promise.all([
      run(['server']).then(({ ended }) => ended),
      run([]).then(({ ended }) => ended),
    ])
    expect(unknown.code).to.be.greaterThan(0)
    expect(unknown.stderr).to.include("unknown command 'server'")
    expect(none.code).to.be.greaterThan(0)
    expect(none.stderr).to.match(/^Usage: /)
  })

  describe('serve', () => {
    it('-> prints its address, answers, and ends with 0 at SIGTERM and at SIGINT', async () => {
      const folder = await fresh()
      await Promise.all(
        (['SIGTERM', 'SIGINT'] as const).map(async signal => {
          const env = { MEMFLOW_BEARER_TOKEN: 'given', MEMFLOW_STORAGE_ROOT: join(folder, signal, 'made') }
          const command = await serve(env)
          const url = await command.url()
          expect(url).to.match(/^http:\/\/127\.0\.0\.1:\d+$/)
          expect((await ask(url, 'GET', '/health')).text).to.equal('"Ok"')
          const { code, stdout, stderr } = await command.stop(signal)
          expect(code).to.equal(0)
          expect(stdout).to.equal(`memflow-registry serves ${url} from ${env.MEMFLOW_STORAGE_ROOT}\n`)
          expect(stderr).to.match(/^\{[^\n]*no public key is set[^\n]*\}\n(?:\{[^\n]*"msg":"request"\}\n)+$/)
        }),
      )
    })

    it('SIGTERM during a request -> the request is finished first, no other is taken', async () => {
      const folder = await fresh()
      const env = { MEMFLOW_BEARER_TOKEN: 'given', MEMFLOW_PUBLIC_KEY_FILE: pem }
      const command = await serve(env, folder)
      const url = await command.url()
      const idle = await Wire.open(url)
      idle.head('GET /health HTTP/1.1', 'Host: x')
      await idle.until(/"Ok"/)
      const wire = await Wire.open(url)
      const post = `POST /v2/a/blobs/uploads/?digest=${digestOf('hello')} HTTP/1.1`
      wire.head(post, 'Host: x', 'Authorization: Bearer given', 'Content-Length: 5').send('he')
      await until(async () => (await readdir(join(folder, '.storage/uploads'))).length > 0)
      command.process.kill('SIGTERM')
      await idle.end()
      await refused(url)
      expect(command.process.exitCode).to.equal(null)
      wire.send('llo')
      expect(await wire.until(/\r\n\r\n/)).to.match(/^HTTP\/1.1 201 Created\r\n/)
      expect(await command.ended).to.include({ code: 0 })

      const again = await serve(env, folder)
      const path = `/v2/a/blobs/${digestOf('hello')}`
      expect((await ask(await again.url(), 'GET', path)).text).to.equal('hello')
    })

    it('without settings -> storage in .storage, a token is made, kept for its owner alone, and not printed into a log', async () => {
      const folder = await fresh()
      const first = await serve({}, folder)
      const url = await first.url()
      const file = join(folder, '.storage/bearer-token')
      const token = (await readFile(file, 'utf8')).trim()
      expect(token).to.match(/^[0-9a-f]{64}$/)
      expect((await stat(file)).mode & 0o777).to.equal(0o600)
      const post = (address: string) =>
        ask(address, 'POST', '/v2/a/blobs/uploads/', { headers: { authorization: `Bearer ${token}` } })
      expect((await post(url)).status).to.equal(202)
      expect((await first.stop()).stdout).to.equal(
        `memflow-registry serves ${url} from ${folder}/.storage\n` +
          'a token for uploads was made; to see it: cat .storage/bearer-token\n',
      )

      await chmod(file, 0o644)
      const second = await serve({}, folder)
      expect((await post(await second.url())).status).to.equal(202)
      expect((await stat(file)).mode & 0o777).to.equal(0o600)
      const { stdout } = await second.stop()
      expect(stdout)
        .to.match(/\nthe token for uploads is in \.storage\/bearer-token\n$/)
        .and.not.include(token)
      expect((await readFile(file, 'utf8')).trim()).to.equal(token)
    })

    it('.env in the folder -> is read; the environment goes before it', async () => {
      const folder = await fresh()
      const lines = [
        'MEMFLOW_BEARER_TOKEN="from-the-file"',
        'MEMFLOW_STORAGE_ROOT=here',
        'MEMFLOW_ADDR=nonsense',
      ]
      await writeFile(join(folder, '.env'), `# settings\n${lines.join('\n')}\n`)
      const command = await serve({}, folder)
      const headers = { authorization: 'Bearer from-the-file' }
      const basic = { authorization: `Basic ${Buffer.from('user:from-the-file').toString('base64')}` }
      const url = await command.url()
      expect((await ask(url, 'POST', '/v2/a/blobs/uploads/', { headers: basic })).status).to.equal(202)
      expect((await ask(url, 'POST', '/v2/a/blobs/uploads/', { headers })).status).to.equal(202)
      expect(await readdir(join(folder, 'here')))
        .to.include('blobs')
        .and.not.include('bearer-token')
    })

    it('a storage that another process serves -> 2 and one line', async () => {
      const folder = await fresh()
      const first = await serve({}, folder)
      const url = await first.url()
      const second = await serve({}, folder)
      expect(await second.ended).to.deep.equal({
        code: 2,
        stdout: '',
        stderr:
          'memflow-registry: MEMFLOW_STORAGE_ROOT: .storage cannot be used: another process is serving it\n',
      })
      expect((await ask(url, 'GET', '/health')).text).to.equal('"Ok"')
    })

    it('a port that is in use -> 2 and one line', async () => {
      const other = createServer()
      await new Promise<void>(resolve => other.listen(0, '127.0.0.1', resolve))
      const { port } = other.address() as AddressInfo
      try {
        const command = await serve({ MEMFLOW_ADDR: `127.0.0.1:${port}` })
        const { code, stdout, stderr } = await command.ended
        expect(code).to.equal(2)
        expect(stdout).to.equal('')
        expect(stderr).to.match(
          /^memflow-registry: MEMFLOW_ADDR: cannot listen on 127\.0\.0\.1:\d+: [^\n]*in use[^\n]*\n$/,
        )
      } finally {
        other.close()
      }
    })

    describe('what is wrong -> 2, nothing on stdout and one line on stderr that names the setting:', () => {
      const WRONG: Record<string, [Record<string, string>, RegExp]> = {
        'an address': [{ MEMFLOW_ADDR: 'here' }, /^MEMFLOW_ADDR: "here" is not an address such as/],
        'an address of another machine': [
          { MEMFLOW_ADDR: '192.0.2.1:3000' },
          /^MEMFLOW_ADDR: cannot listen on/,
        ],
        'the sample token for all the world': [
          { MEMFLOW_ADDR: '0.0.0.0:0', MEMFLOW_BEARER_TOKEN: 'token' },
          /^MEMFLOW_BEARER_TOKEN: "token" is the sample .* 0\.0\.0\.0 is open to others; set a secret one/,
        ],
        'a key file that is not there': [
          { MEMFLOW_PUBLIC_KEY_FILE: 'missing.pem' },
          /^MEMFLOW_PUBLIC_KEY_FILE: missing\.pem cannot be read \(ENOENT\)/,
        ],
        'a key file without a key': [
          { MEMFLOW_PUBLIC_KEY_FILE: 'garbage' },
          /^MEMFLOW_PUBLIC_KEY_FILE: garbage holds no -----BEGIN PUBLIC KEY-----/,
        ],
        'a storage that is a file': [
          { MEMFLOW_STORAGE_ROOT: 'garbage' },
          /^MEMFLOW_STORAGE_ROOT: garbage cannot be used: /,
        ],
        'a storage below a file whose name has a lock in it': [
          { MEMFLOW_STORAGE_ROOT: 'block/storage' },
          /^MEMFLOW_STORAGE_ROOT: block\/storage cannot be used: (?!another process)/,
        ],
        'a kept token that is empty': [
          { MEMFLOW_STORAGE_ROOT: 'emptied' },
          /^MEMFLOW_STORAGE_ROOT: emptied cannot be used: emptied\/bearer-token is empty: remove it/,
        ],
      }
      const outcomes = new Map<string, Command>()

      before(async () => {
        const folder = await fresh()
        await writeFile(join(folder, 'garbage'), 'garbage')
        await writeFile(join(folder, 'block'), '')
        await mkdir(join(folder, 'emptied'))
        await writeFile(join(folder, 'emptied/bearer-token'), '\n')
        for (const [what, [env]] of Object.entries(WRONG)) {
          const command = new Command(['serve'], folder, { ...LOOPBACK, ...env })
          outcomes.set(what, command)
          // Two at a time: that is how many fit on a small machine.
          if (outcomes.size % 2 === 0) await command.ended
        }
      })

      for (const [what, [, line]] of Object.entries(WRONG)) {
        it(what, async () => {
          const { code, stdout, stderr } = (await outcomes.get(what)?.ended) ?? {}
          expect(stderr).to.match(/^memflow-registry: [^\n]+\n$/)
          expect(stderr?.slice('memflow-registry: '.length)).to.match(line)
          expect(stdout).to.equal('')
          expect(code).to.equal(2)
        })
      }

      it('a .env that cannot be read', async () => {
        const folder = await fresh()
        await mkdir(join(folder, '.env'))
        const { code, stderr } = await (await serve({}, folder)).ended
        expect(code).to.equal(2)
        expect(stderr).to.match(/^memflow-registry: \.env: [^\n]+\n$/)
      })
    })
  })
})
