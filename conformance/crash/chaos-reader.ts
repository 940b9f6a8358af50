import { setTimeout as sleep } from 'node:timers/promises'
import { ChaosAgent } from './chaos-agent.ts'
import type { Holding, Readable } from './chaos-ledger.ts'
import { type Answer, HungUp } from './registry-client.ts'

/** Reads what was acknowledged, whatever faults are there, and now and then what was deleted. */
export class ChaosReader extends ChaosAgent {
  async act(): Promise<void> {
    const { ledger } = this.world
    const holding = ledger.pick(this.random)
    if (this.random.oneIn(10) || !holding) await this.#readGone()
    else await this.#read(holding, this.random.of(holding.reads))
    await sleep(this.random.below(10))
  }

  /** Reads everything, after the faults: nothing may be refused. */
  async readAll(): Promise<void> {
    const { ledger } = this.world
    for (const holding of [...ledger.there]) {
      for (const readable of holding.reads) await this.#read(holding, readable, 0)
      ledger.verified++
    }
    for (const path of [...ledger.gone]) await this.#expectGone(path)
  }

  async #read(holding: Holding, { path, content }: Readable, way = this.random.below(4)): Promise<void> {
    const { ledger, judge, events } = this.world
    const since = performance.now()
    const size = content.bytes.length
    const start = this.random.below(size)
    const ranged = way === 1 && path.includes('/blobs/')
    const method = way === 2 ? 'HEAD' : 'GET'
    const headers: Record<string, string> = ranged ? { range: `bytes=${start}-` } : {}
    const answer = await this.#ask(method, path, since, headers)
    if (!answer) return
    const { status, bytes } = answer
    // Its owner has begun to change it meanwhile.
    if (!ledger.has(holding)) return
    const expected = ranged ? content.bytes.subarray(start) : content.bytes
    if (status !== (ranged ? 206 : 200))
      events.fail(
        `read answered ${status}${judge.during(since)}`,
        `${method} ${path} -> ${status} ${bytes.subarray(0, 300)}`,
      )
    else if (method === 'GET' && !bytes.equals(expected))
      events.fail(
        `read of wrong bytes${judge.during(since)}`,
        `${method} ${path}: ${bytes.length} of ${expected.length}`,
      )
    else this.#count(since, 'right')
  }

  async #readGone(): Promise<void> {
    const { gone } = this.world.ledger
    const path = gone[this.random.below(gone.length)]
    if (path) await this.#expectGone(path)
  }

  async #expectGone(path: string): Promise<void> {
    const since = performance.now()
    const { judge, events } = this.world
    const answer = await this.#ask('GET', path, since)
    if (answer && answer.status !== 404)
      events.fail(
        `deleted content answered ${answer.status}${judge.during(since)}`,
        `GET ${path} -> ${answer.status}`,
      )
  }

  /** Undefined if the connection could not be taken, which a fault may excuse. */
  async #ask(
    method: 'GET' | 'HEAD',
    path: string,
    since: number,
    headers: Record<string, string> = {},
  ): Promise<Answer | undefined> {
    const { judge, events } = this.world
    try {
      const answer = await this.registry.read(method, path, headers)
      if (!judge.mayRefuseRead(since, answer.status)) return answer
      this.#count(since, 'answered 503')
    } catch (error) {
      if (!(error instanceof HungUp)) throw error
      if (judge.mayRefuseRead(since)) this.#count(since, 'without a connection')
      else events.fail(`read cut by the server${judge.during(since)}`, error.message)
    }
    return undefined
  }

  #count(since: number, what: string): void {
    const { tally, judge } = this.world
    tally.count(`reads${judge.during(since) || ' without a fault'}: ${what}`)
  }
}
