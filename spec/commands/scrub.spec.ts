import { randomBytes } from 'node:crypto'
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect } from 'chai'
import { type Digest, digestOf, hexOf } from '../../src/oci/digest.ts'
import { FsBlobStore } from '../../src/store/fs-store.ts'
import { ask } from '../support/ask.ts'
import { push } from '../support/blobs.ts'
import { Command } from '../support/command.ts'
import { pushBlob } from '../support/oci.ts'
import { blobFile, flip, quarantined } from '../support/rot.ts'
import { type RunningRegistry, startRegistry } from '../support/server.ts'
import { storages } from '../support/storage.ts'
import { until } from '../support/until.ts'

describe('commands/scrub', () => {
  const fresh = storages()
  const contents = Array.from({ length: 6 }, () => randomBytes(200_000))
  const digests = contents.map(bytes => digestOf(bytes)).sort()
  let root: string
  let running: Command | undefined

  function scrub(...options: string[]): Command {
    running = new Command(['scrub', ...options], root, { MEMFLOW_STORAGE_ROOT: root })
    return running
  }

  beforeEach(async () => {
    root = await fresh()
    const store = await FsBlobStore.open(root)
    for (const bytes of contents) await push(store, bytes)
  })

  afterEach(async () => {
    running?.process.kill('SIGKILL')
    await running?.ended
  })

  it('of sound blobs -> 0, one line, and no index needed or made', async () => {
    expect(await scrub().ended).to.deep.equal({
      code: 0,
      stdout: '6 blobs, 1.1 MiB: all whole\n',
      stderr: '',
    })
    expect((await readdir(root)).sort()).to.deep.equal(['blobs', 'layout', 'quarantine', 'uploads'])
  })

  it('of damaged ones -> 1, and where they are now', async () => {
    const bad = digests[2] as Digest
    await flip(blobFile(root, bad), 1000)
    const { code, stdout } = await scrub('--rate', '1GiB/s').ended
    expect(stdout.split('\n')).to.deep.equal([
      `damaged: ${bad} (195.3 KiB), moved to ${join(root, 'quarantine', `sha256-${hexOf(bad)}`)}, push it again`,
      '6 blobs, 1.1 MiB: 1 damaged, 0 unreadable',
      '',
    ])
    expect(code).to.equal(1)
    expect(await quarantined(root)).to.deep.equal([`sha256-${hexOf(bad)}`])
  })

  it('while the registry serves -> clients push again what it has found', async () => {
    // The blobs are there before their index.
    await new Command(['reindex'], root, { MEMFLOW_STORAGE_ROOT: root }).ended
    const registry: RunningRegistry = await startRegistry({ storage: root })
    try {
      const bytes = randomBytes(6_000_000)
      const { digest } = await pushBlob(registry, 'a', bytes)
      await registry.ask('GET', `/v2/a/blobs/${digest}`)
      await flip(blobFile(root, digest), 3_000_000)
      expect((await scrub('--rate', '1GiB').ended).code).to.equal(1)
      expect((await ask(registry.url, 'HEAD', `/v2/a/blobs/${digest}`)).status).to.equal(404)
      expect((await registry.ask('GET', `/v2/a/blobs/${digest}`)).code).to.equal('BLOB_UNKNOWN')
      await pushBlob(registry, 'a', bytes)
      const healed = await registry.ask('GET', `/v2/a/blobs/${digest}`)
      expect(healed.bytes.equals(bytes)).to.equal(true)
      expect(await quarantined(root)).to.deep.equal([])
    } finally {
      await registry.close()
    }
  })

  it('that is stopped -> 130; the next one goes on there, or begins anew', async () => {
    // A blob a second: it is stopped among the first ones.
    const command = scrub('--rate', '200KiB/s')
    const cursor = join(root, 'scrub.json')
    await until(async () => (await readdir(root)).includes('scrub.json'))
    const { code, stdout } = await command.stop('SIGINT')
    expect(stdout).to.match(
      /^stopped at sha256 \d+ %, scrub again to go on: \d blobs, \d+\.\d KiB: all whole\n$/,
    )
    expect(code).to.equal(130)
    const { after, blobs } = JSON.parse(await readFile(cursor, 'utf8')) as { after: Digest; blobs: number }
    expect(blobs).to.be.within(1, 5)
    expect(after).to.equal(digests[blobs - 1])

    // What lies behind it is not looked at again.
    await flip(blobFile(root, digests[0] as Digest), 0)
    const rest = await scrub('--rate', '1GiB/s').ended
    expect(rest.stdout).to.match(/^going on at sha256 \d+ %\n6 blobs, 1\.1 MiB: all whole\n$/)
    expect(rest.code).to.equal(0)
    expect(await readdir(root)).not.to.include('scrub.json')
    expect((await scrub('--restart').ended).code).to.equal(1)
  })

  for (const [what, options, env, line] of [
    ['a rate that is none', ['--rate', 'fast'], {}, /^--rate: "fast" is not a rate such as 50MiB\/s$/],
    [
      'a storage that is not there',
      [],
      { MEMFLOW_STORAGE_ROOT: '/no/such/folder' },
      /^MEMFLOW_STORAGE_ROOT: there is no \/no\/such\/folder$/,
    ],
  ] as const) {
    it(`${what} -> 2 and one line`, async () => {
      running = new Command(['scrub', ...options], root, { MEMFLOW_STORAGE_ROOT: root, ...env })
      const { code, stdout, stderr } = await running.ended
      expect(stderr.trimEnd().replace('memflow-registry: ', '')).to.match(line)
      expect(stdout).to.equal('')
      expect(code).to.equal(2)
    })
  }
})
