import { setTimeout as sleep } from 'node:timers/promises'
import { expect } from 'chai'
import { WorkerPool } from '../../src/lib/worker-pool.ts'
import { threadOf } from '../support/odd-thread.ts'

const ENTRY = threadOf(`
  import { parentPort, threadId } from 'node:worker_threads'
  parentPort.on('message', () => parentPort.postMessage(threadId))
  parentPort.postMessage(undefined)
`)

describe('lib/worker-pool', () => {
  const pools: WorkerPool[] = []
  const pool = (idleMs: number) => {
    const made = new WorkerPool({
      name: 'spec',
      entry: ENTRY,
      threads: 1,
      idleMs,
      limits: { time: 20_000, memory: 32, start: 20_000 },
      waiting: 100,
      waitingOfGroup: 100,
      tooCostly: reason => new Error(reason),
      busy: () => new Error('busy'),
    })
    pools.push(made)
    return made
  }

  after(() => Promise.all(pools.map(made => made.close())))

  it('uses a thread again for the next task', async () => {
    const kept = pool(1_000_000)
    expect(await kept.run(1, 'a', thread => thread.ask(1))).to.equal(
      await kept.run(1, 'b', thread => thread.ask(2)),
    )
  })

  it('ends a thread that has had no task for a while, and starts another one for the next task', async () => {
    const short = pool(1)
    const first = await short.run(1, 'a', thread => thread.ask(1))
    // As long as it takes: a busy machine is late with the timer, too.
    let next = first
    for (let wait = 10; next === first; wait *= 2) {
      await sleep(wait)
      next = await short.run(1, 'a', thread => thread.ask(1))
    }
    expect(next).to.be.a('number')
  })

  it('fails a task that comes after it was closed', async () => {
    const closed = pool(1_000_000)
    await closed.close()
    expect(
      await closed
        .run(1, undefined, thread => thread.ask(1))
        .then(
          () => 'done',
          (error: Error) => error.message,
        ),
    ).to.equal('the registry is being stopped')
  })
})
