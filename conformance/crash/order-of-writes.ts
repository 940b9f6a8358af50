import { randomBytes } from 'node:crypto'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { expect } from 'chai'
import { BLOCK } from '../../src/store/direct-writer.ts'
import { fixture } from '../support/fixtures.ts'
import { findClient, run } from '../support/process.ts'
import { launchServer } from '../support/server.ts'
import { imageOf } from './documents.ts'
import { contentOf, MANIFEST, RegistryClient } from './registry-client.ts'
import { type Call, readTrace } from './trace.ts'

const CALLS = 'rename,renameat,renameat2,fsync,fdatasync,write,writev,pwrite64,pwritev,sendto,sendmsg'

/** All of the journal's line and of the answer is in the trace, and nothing of a size to speak of beside them. */
const STRING_BYTES = '8192'

/** Nothing is acknowledged before it would survive a power loss: the kernel is asked in this order. */
describe('the order of writes, as strace sees it', () => {
  const blob = contentOf(randomBytes(1000))
  /** Blocks that go past the page cache, and what is behind them. */
  const large = contentOf(randomBytes(2 * BLOCK + 1000))
  const manifest = contentOf(Buffer.from(JSON.stringify(imageOf([blob], {}))))
  const plugin = fixture('libmemflow_pair-0.2.0.x86_64.so')
  const needed: string[] = []
  let folder = ''
  let calls: Call[] = []

  before(async function () {
    folder = await mkdtemp(join(tmpdir(), 'order-'))
    const reason = await whyNot()
    if (reason) {
      console.log(`    ${reason}`)
      this.skip()
    }
    const file = join(folder, 'trace')
    // As its own grandchild (-D), strace leaves signals and exit code to the server.
    const strace = ['strace', '-D', '-f', '-y', '-o', file, '-e', `trace=${CALLS}`, '-s', STRING_BYTES]
    const server = await launchServer(folder, { UV_USE_IO_URING: '0' }, strace)
    try {
      await server.ready()
      const registry = new RegistryClient(server.url)
      expect(await registry.pushInSession('a', blob)).to.equal(201)
      expect(await registry.pushInSession('a', large)).to.equal(201)
      expect((await registry.put('a', 'v1', manifest, MANIFEST)).status).to.equal(201)
      const published = await registry.publish(plugin.bytes)
      expect(`${published.status} ${published.bytes}`).to.equal('200 "Added"')
      for (const { name } of plugin.descriptors) {
        const { bytes } = await registry.get(`/v2/${name}/manifests/${plugin.digest.slice(0, 12)}`)
        const { config, layers } = JSON.parse(bytes.toString())
        needed.push(config.digest, layers[0].digest)
      }
    } finally {
      await server.stop()
    }
    calls = readTrace(await readFile(file, 'utf8'))
  })

  after(() => rm(folder, { recursive: true, force: true }))

  for (const [kind, { digest }] of [
    ['blob', blob],
    ['large blob', large],
  ] as const) {
    it(`of a ${kind}: bytes, name, row, 201`, () => {
      const row = rowWith(digest, 'link')
      inOrder([...published(digest), ...row, answer('201 Created', `/v2/a/blobs/${digest}`)])
    })
  }

  it('of a manifest: row, 201', () => {
    const row = rowWith(manifest.digest, 'manifest')
    inOrder([...row, answer('201 Created', `/v2/a/manifests/${manifest.digest}`)])
  })

  it('of POST /files: the bytes and name of each blob, one row for all, 200', () => {
    expect(new Set(needed).size).to.be.at.least(2)
    for (const digest of new Set(needed)) {
      const row = rowWith(digest, 'claim')
      inOrder([...published(digest), ...row, answer('200 OK', '\\"Added\\"')])
    }
  })

  /** Each write to the staged file, its data sync, the rename to the blob, the sync of the blob's folder. */
  function published(digest: string): Call[] {
    const named = one(/^rename/, text => text.endsWith(`/${digest.slice('sha256:'.length)}"`))
    const [staged = '', path = ''] = [...named.text.matchAll(/"([^"]+)"/g)].map(match => match[1])
    const written = calls.filter(({ name, text }) => /^pwrite/.test(name) && text.includes(`<${staged}>`))
    const synced = one(/^fdatasync$/, text => text.endsWith(`<${staged}>`))
    const folder = one(/^fsync$/, text => text.endsWith(`<${dirname(path)}>`), named.ended)
    return [...written, synced, named, folder]
  }

  /** The line of the journal that has a row of such a kind about the digest, and the data sync behind it. */
  function rowWith(digest: string, kind: string): Call[] {
    const line = one(
      /^pwrite/,
      text => isJournal(text) && text.includes(digest) && text.includes(`\\"${kind}\\\\u0000`),
    )
    return [line, one(/^fdatasync$/, isJournal, line.ended)]
  }

  function answer(status: string, words: string): Call {
    return one(
      /^(?:write|writev|sendto|sendmsg)$/,
      text => /^\d+<(?:socket|TCP)/.test(text) && text.includes(`HTTP/1.1 ${status}`) && text.includes(words),
    )
  }

  /** The first such call that began behind a line of the trace. */
  function one(name: RegExp, wanted: (text: string) => boolean, behind = -1): Call {
    const found = calls.find(call => call.began > behind && name.test(call.name) && wanted(call.text))
    if (found) return found
    throw new Error(`the trace has no such ${name.source} behind line ${behind}`)
  }
})

function isJournal(text: string): boolean {
  return /^\d+<[^>]*\/journal\/\d+\.log>/.test(text)
}

/** Each call has ended before the next one begins. */
function inOrder(order: readonly Call[]): void {
  for (const [nth, call] of order.entries()) {
    const next = order[nth + 1]
    if (next) expect(call.ended, `${call.name}(${call.text}) before ${next.name}`).to.be.below(next.began)
  }
}

/** Why strace cannot run here. */
async function whyNot(): Promise<string | undefined> {
  if (!findClient('strace')) return 'strace is not here: nothing is traced'
  const { code, stderr } = await run('strace', ['-o', '/dev/null', 'true'])
  return code === 0 ? undefined : `strace cannot run here: ${stderr.trim().split('\n').pop()}`
}
