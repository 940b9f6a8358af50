import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { expect } from 'chai'
import { digestOf } from '../../src/oci/digest.ts'
import { Command, type Ended } from '../support/command.ts'
import { pushArtifact, pushBlob } from '../support/oci.ts'
import { type RunningRegistry, startRegistry } from '../support/server.ts'
import { storages } from '../support/storage.ts'

const NOTHING_ELSE = /^looked at {5}\d+ links?, \d+ blobs?, in \d+\.\d s$/

describe('commands/gc', () => {
  const fresh = storages()
  const orphan = digestOf('of no use')
  const kept = digestOf('content')
  let storage: string

  const gc = (args: readonly string[] = [], env: Record<string, string> = {}): Promise<Ended> =>
    new Command(['gc', ...args], storage, {
      MEMFLOW_STORAGE_ROOT: storage,
      MEMFLOW_GC_GRACE: '1s',
      MEMFLOW_LOG: 'off',
      ...env,
    }).ended

  /** Whether it collects itself or the process that serves, a user sees the same. */
  async function story(env: Record<string, string> = {}): Promise<void> {
    const first = await gc([], env)
    expect(first).to.include({ code: 0, stderr: '' })
    expect(first.stdout.split('\n').slice(0, 2)).to.deep.equal([
      'removed       nothing',
      'waiting       1 of no use, for a grace period of 1s',
    ])
    await sleep(1100)
    const lines = [`link                        a ${orphan}`, `blob                   9 B  ${orphan}`]
    const dry = await gc(['--dry-run'], env)
    expect(dry.stdout.split('\n').slice(0, 3)).to.deep.equal([...lines, 'would remove  1 blob (9 B), 1 link'])
    expect(dry.stdout.split('\n')[3]).to.match(NOTHING_ELSE)
    const goes = await gc(['--explain', orphan], env)
    expect(goes.code).to.equal(0)
    expect(goes.stdout).to.match(
      new RegExp(`^${orphan} \\(9 B\\) goes\n {2}a {2}nothing needs it since \\S+Z; it goes with [^\n]+Z\n$`),
    )
    const keeps = await gc(['--explain', kept], env)
    expect(keeps.stdout).to.match(
      new RegExp(`^${kept} \\(7 B\\) is kept\n {2}a {2}manifest sha256:\\w{64} \\(v1\\) references it\n$`),
    )
    for (const short of [orphan.slice(7), orphan.slice(7, 14), orphan.slice(0, 20)])
      expect((await gc(['--explain', short], env)).stdout, short).to.equal(goes.stdout)
    const second = await gc([], env)
    expect(second.code).to.equal(0)
    expect(second.stdout.split('\n').slice(0, 3)).to.deep.equal([
      ...lines,
      'removed       1 blob (9 B), 1 link',
    ])
    expect(await gc(['--explain', orphan], env)).to.deep.equal({
      code: 1,
      stdout: '',
      stderr: `memflow-registry: nothing of that digest is here: ${orphan}\n`,
    })
  }

  async function fill(registry: RunningRegistry): Promise<void> {
    await pushArtifact(registry, 'a', 'v1')
    await pushBlob(registry, 'a', 'of no use')
  }

  beforeEach(async () => {
    storage = await fresh()
  })

  it('-> collects by itself where nothing is served', async () => {
    const registry = await startRegistry({ storage })
    await fill(registry)
    await registry.close()
    await story()
  })

  it('-> has it collected where the storage is served', async () => {
    const registry = await startRegistry({ storage, policy: { gcGrace: 1000 } })
    try {
      await fill(registry)
      const MEMFLOW_ADDR = new URL(registry.url).host
      await story({ MEMFLOW_ADDR, MEMFLOW_BEARER_TOKEN: registry.token })
      const wrong = await gc([], { MEMFLOW_ADDR, MEMFLOW_BEARER_TOKEN: 'wrong' })
      expect(wrong).to.include({ code: 2, stdout: '' })
      expect(wrong.stderr).to.match(/^memflow-registry: MEMFLOW_BEARER_TOKEN: [^\n]+\n$/)
      const elsewhere = await gc([], { MEMFLOW_ADDR: '127.0.0.1:1', MEMFLOW_BEARER_TOKEN: registry.token })
      expect(elsewhere).to.include({ code: 2, stdout: '' })
      expect(elsewhere.stderr).to.match(
        /^memflow-registry: MEMFLOW_ADDR: [^\n]+ is being served, but not at [^\n]+\n$/,
      )
    } finally {
      await registry.close()
    }
  })

  it('--grace 0 removes in one pass what nothing needs, and nothing else', async () => {
    const registry = await startRegistry({ storage })
    await fill(registry)
    await registry.close()
    const { code, stdout } = await gc(['--grace', '0'], { MEMFLOW_GC_GRACE: '24h' })
    expect(code).to.equal(0)
    expect(stdout.split('\n')).to.include('removed       1 blob (9 B), 1 link')
    expect((await gc(['--explain', kept])).stdout).to.match(/is kept/)
  })

  it('--grace reaches the process that serves, and a MEMFLOW_GC_GRACE that it does not have is reported', async () => {
    const registry = await startRegistry({ storage, policy: { gcGrace: 24 * 3_600_000 } })
    try {
      await fill(registry)
      const env = { MEMFLOW_ADDR: new URL(registry.url).host, MEMFLOW_BEARER_TOKEN: registry.token }
      const other = await gc([], env)
      expect(other.stdout.split('\n')[1]).to.equal('waiting       1 of no use, for a grace period of 1d')
      expect(other.stderr).to.match(
        /^memflow-registry: MEMFLOW_GC_GRACE: [^\n]+ has 1d, [^\n]+ not 1s; --grace [^\n]+\n$/,
      )
      const dry = await gc(['--dry-run', '--grace', '0'], env)
      expect(dry.stdout.split('\n')).to.include('would remove  1 blob (9 B), 1 link')
      const now = await gc(['--grace', '0'], env)
      expect(now).to.include({ code: 0, stderr: '' })
      expect(now.stdout.split('\n')).to.include('removed       1 blob (9 B), 1 link')
      expect((await registry.ask('GET', `/v2/a/blobs/${kept}`)).text).to.equal('content')
    } finally {
      await registry.close()
    }
  })

  it('where the index was lost -> 2, and what to run; behind that it collects', async () => {
    const registry = await startRegistry({ storage })
    await fill(registry)
    await registry.close()
    for (const folder of ['index', 'journal']) await rm(join(storage, folder), { recursive: true })
    const refused = await gc()
    expect(refused).to.include({ code: 2, stdout: '' })
    expect(refused.stderr).to.match(/^memflow-registry: garbage is not collected: [^\n]+reindex[^\n]+\n$/)
    const reindexed = await new Command(['reindex'], storage, { MEMFLOW_STORAGE_ROOT: storage }).ended
    expect(reindexed.code).to.equal(0)
    expect(await gc(['--dry-run'])).to.include({ code: 0, stderr: '' })
  })

  for (const [args, env, text] of [
    [
      ['--explain', 'nonsense'],
      {},
      '--explain: "nonsense" is not a digest such as sha256:<64 digits>, and not 7 or more of its digits',
    ],
    [['--grace', 'soon'], {}, '--grace: "soon" is not a duration such as 30m, 24h or 7d, or 0'],
    [[], { MEMFLOW_STORAGE_ROOT: 'nowhere' }, 'MEMFLOW_STORAGE_ROOT: there is no nowhere'],
  ] as const) {
    it(`gc ${args.join(' ')} ${JSON.stringify(env)} -> 2 and one line`, async () => {
      expect(await gc(args, env)).to.deep.equal({
        code: 2,
        stdout: '',
        stderr: `memflow-registry: ${text}\n`,
      })
    })
  }
})
