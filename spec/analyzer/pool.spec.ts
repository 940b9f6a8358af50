import { Readable } from 'node:stream'
import { setImmediate as turn } from 'node:timers/promises'
import { expect } from 'chai'
import { type PoolOptions, WorkerAnalyzer } from '../../src/analyzer/pool.ts'
import { RegistryError } from '../../src/oci/errors.ts'
import { PluginError } from '../../src/plugin/error.ts'
import { examine } from '../../src/plugin/examine.ts'
import { COSTLY } from '../support/hostile.ts'
import { fileFor, ODD_THREAD, threadOf } from '../support/odd-thread.ts'
import { PLUGIN_FILES, plugin } from '../support/plugins.ts'
import { processorMs } from '../support/processor-time.ts'

const COREDUMP = plugin('libmemflow_coredump-0.2.0.x86_64.so')

const LIMITS = { time: 5000, memory: 32, start: 20_000 }

function spin(): void {
  for (let i = 0; i < 1_000_000; i++);
}

async function failure(work: Promise<unknown>): Promise<unknown> {
  return work.then(
    () => undefined,
    (error: unknown) => error,
  )
}

describe('analyzer/pool', () => {
  const pools: WorkerAnalyzer[] = []
  const pool = (options: Partial<PoolOptions> = {}) => {
    const made = new WorkerAnalyzer({ threads: 1, limits: LIMITS, ...options })
    pools.push(made)
    return made
  }

  after(() => Promise.all(pools.map(made => made.close())))

  describe('with the parsers', () => {
    let analyzer: WorkerAnalyzer

    before(() => {
      analyzer = pool({ threads: 2 })
    })

    it('answers what the parsers answer, each file its own', async () => {
      const found = PLUGIN_FILES.map(name => plugin(name)).filter(({ descriptors }) => descriptors.length > 0)
      const answers = await Promise.all(found.map(({ bytes }) => analyzer.examine(bytes)))
      for (const [i, { bytes }] of found.entries()) expect(answers[i]).to.deep.equal(examine(bytes))
    })

    it('refuses what the parsers refuse, with the same words', async () => {
      const error = await failure(analyzer.examine(plugin('libplain.x86_64.so').bytes))
      expect(error).to.be.instanceOf(PluginError)
      expect(error).to.include({ kind: 'not-found', message: 'inventory: not found' })
      expect((error as PluginError).reason).to.match(/no symbol MEMFLOW_/)
    })

    it('takes bytes from anywhere, and leaves them as they are', async () => {
      const { bytes, descriptors } = COREDUMP
      const larger = Buffer.from(new SharedArrayBuffer(bytes.length + 10))
      larger.set(bytes, 7)
      for (const view of [larger.subarray(7, 7 + bytes.length), Buffer.from(bytes), bytes]) {
        expect((await analyzer.examine(view)).descriptors).to.deep.equal(descriptors)
        expect(Buffer.compare(view, bytes)).to.equal(0)
      }
    })

    it('lets the event loop turn meanwhile', async () => {
      const costly = COSTLY['ELF: two relocation tables as large as the file']?.() ?? new Uint8Array()
      const shared = Buffer.from(new SharedArrayBuffer(costly.length))
      shared.set(costly)
      const files = 20
      let examining = true
      const examined = Promise.all(
        Array.from({ length: files }, () => failure(analyzer.examine(shared))),
      ).finally(() => {
        examining = false
      })
      let turns = 0
      for (; examining; turns++) await turn()
      await examined
      // Two threads of the same process get about the same of the processor: thousands of turns, on a busy machine too.
      expect(turns).to.be.above(files * 20)
    })
  })

  for (const [title, act] of [
    ['hangs', 'hang'],
    ['hangs in a regular expression', 'regex'],
  ] as const) {
    it(`replaces a thread that ${title}, and refuses the file`, async () => {
      const overruns: unknown[] = []
      const analyzer = pool({
        entry: ODD_THREAD,
        limits: { ...LIMITS, time: 100 },
        onOverrun: overrun => overruns.push(overrun),
      })
      const [before, error, behind] = await Promise.all([
        analyzer.examine(fileFor('answer')),
        failure(analyzer.examine(fileFor(act, 9))),
        analyzer.examine(fileFor('answer')),
      ])
      expect(before).to.deep.equal(behind)
      expect(error).to.be.instanceOf(PluginError)
      expect(error).to.include({ kind: 'too-complex', message: 'inventory: file is too complex' })
      expect((error as PluginError).reason).to.equal('examining it takes more than 100 ms')
      expect(overruns).to.deep.equal([{ size: 9, reason: 'examining it takes more than 100 ms' }])
    })
  }

  it('counts the time that a thread works, not the time that it waits for the processor', async () => {
    const analyzer = pool({ entry: ODD_THREAD, limits: { ...LIMITS, time: 100 } })
    await analyzer.examine(fileFor('answer'))
    expect(await failure(analyzer.examine(fileFor('slow')))).to.include({ reason: 'slow' })
  })

  it('replaces a thread that fills its memory, and refuses the file', async () => {
    const analyzer = pool({ entry: ODD_THREAD, limits: { ...LIMITS, time: 20_000 } })
    const error = await failure(analyzer.examine(fileFor('fill')))
    expect(error).to.include({ kind: 'too-complex' })
    expect((error as PluginError).reason).to.equal('examining it takes more than 32 MiB of memory')
    expect(await analyzer.examine(fileFor('answer'))).to.have.keys('descriptors', 'facts')
  })

  it('replaces a thread that dies; that is no fault of the file', async () => {
    const analyzer = pool({ entry: ODD_THREAD })
    const exit = await failure(analyzer.examine(fileFor('exit')))
    expect(exit).to.be.instanceOf(Error).and.not.instanceOf(PluginError)
    expect((exit as Error).message).to.equal("the analyzer's thread ended with code 3")
    const bug = await failure(analyzer.examine(fileFor('throw')))
    expect(bug).to.be.instanceOf(TypeError)
    expect((bug as Error).message).to.equal('a bug')
    expect(await analyzer.examine(fileFor('answer'))).to.have.keys('descriptors', 'facts')
  })

  it('fails where no thread starts, and tries again for the next file', async () => {
    const missing = pool({ entry: new URL('./missing.js', import.meta.url) })
    for (let i = 0; i < 2; i++)
      expect(((await failure(missing.examine(fileFor('answer')))) as Error).message).to.match(/missing\.js/)
    const silent = pool({ entry: threadOf('for (;;);'), limits: { ...LIMITS, start: 100 } })
    expect(((await failure(silent.examine(fileFor('answer')))) as Error).message).to.equal(
      "the analyzer's thread did not start within 100 ms",
    )
  })

  it('does not give a thread up for an answer that it was itself too busy to take', async () => {
    const analyzer = pool({ entry: ODD_THREAD, limits: { ...LIMITS, time: 500 } })
    await analyzer.examine(fileFor('answer'))
    const file = fileFor('mark')
    const answer = failure(analyzer.examine(file))
    // The file goes out in a microtask or two; then this thread is busy beyond the limit.
    await turn()
    while (file[0] !== 1);
    let busyMs = 0
    while (busyMs < 700) busyMs += processorMs(spin)
    expect(await answer).to.include({ kind: 'not-found', reason: 'marked' })
  })

  it('refuses files while too many bytes are waiting, but one may always wait', async () => {
    const analyzer = pool({ entry: ODD_THREAD, waiting: 10 })
    const [working, waiting] = [
      analyzer.examine(fileFor('slow')),
      analyzer.examine(fileFor('slow', 100)),
    ].map(failure)
    const error = await failure(analyzer.examine(fileFor('answer')))
    expect(error).to.be.instanceOf(RegistryError)
    expect(error).to.include({ error: 'TOOMANYREQUESTS', status: 429 })
    expect((error as RegistryError).headers).to.deep.equal({ 'Retry-After': '1' })
    expect(await working).to.include({ reason: 'slow' })
    expect(await waiting).to.include({ reason: 'slow' })
    expect(await analyzer.examine(fileFor('answer'))).to.have.keys('descriptors', 'facts')
  })

  it('owners take turns, however many files one of them has in the queue', async () => {
    const analyzer = pool({ entry: ODD_THREAD })
    const order: string[] = []
    const examine = (owner: string) =>
      analyzer.examine(fileFor('answer'), owner).then(() => order.push(owner))
    await Promise.all([...Array.from({ length: 6 }, () => examine('many')), examine('one'), examine('other')])
    expect(order.slice(0, 4)).to.have.members(['many', 'many', 'one', 'other'])
  })

  it('an owner that fills its share of the queue is refused, and the others are not', async () => {
    const analyzer = pool({ entry: ODD_THREAD, waiting: 1000, waitingOfGroup: 20 })
    const examine = (owner: string) => failure(analyzer.examine(fileFor('answer'), owner))
    const many = Array.from({ length: 10 }, () => examine('many'))
    const others = ['a', 'b', 'c'].map(examine)
    expect(await Promise.all(others)).to.deep.equal([undefined, undefined, undefined])
    const refused = (await Promise.all(many)).filter(error => error !== undefined)
    // One is at work, four of five bytes each wait.
    expect(refused).to.have.length(5)
    for (const error of refused) expect(error).to.include({ error: 'TOOMANYREQUESTS' })
  })

  it('an archive is opened when its turn has come, and reported when it goes past a limit', async () => {
    const overruns: unknown[] = []
    const analyzer = pool({ onOverrun: overrun => overruns.push(overrun) })
    const options = { gzip: false, limits: { file: 100, entries: 10, bytes: 1000, plugins: 1 } }
    const opened: string[] = []
    const search = (name: string) =>
      analyzer.unpack(
        async () => {
          opened.push(name)
          return Readable.from([Buffer.alloc(5000)], { objectMode: false })
        },
        options,
        async () => {},
        name,
      )
    const both = [search('a'), search('b')]
    expect(opened).to.deep.equal(['a'])
    const past = 'the archive unpacks to more than 1000 bytes'
    expect(await Promise.all(both)).to.deep.equal(Array(2).fill({ bytes: 1000, entries: 0, past }))
    expect(opened).to.deep.equal(['a', 'b'])
    expect(overruns).to.deep.equal(Array(2).fill({ size: 1000, reason: past }))
  })

  it('fails what is under way when it is closed, and whatever comes then', async () => {
    const analyzer = pool({ entry: ODD_THREAD })
    await analyzer.examine(fileFor('answer'))
    const pending = [analyzer.examine(fileFor('hang')), analyzer.examine(fileFor('answer'))].map(failure)
    await analyzer.close()
    for (const error of [...(await Promise.all(pending)), await failure(analyzer.examine(fileFor('answer')))])
      expect((error as Error).message).to.equal('the registry is being stopped')
  })
})
