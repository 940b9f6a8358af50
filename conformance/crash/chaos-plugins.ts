import { setTimeout as sleep } from 'node:timers/promises'
import { fixture } from '../support/fixtures.ts'
import { ChaosAgent } from './chaos-agent.ts'
import type { Holding } from './chaos-ledger.ts'
import { contentOf } from './registry-client.ts'

const KEPT = 6
const FIXTURES = [
  'libmemflow_coredump-0.2.0.x86_64.so',
  'libmemflow_coredump-0.2.1.arm64.so',
  'memflow_coredump-0.2.0.x86_64.dll',
  'libmemflow_pair-0.2.0.x86_64.so',
].map(name => fixture(name))

/** Publishes and deletes plugins by the REST API. */
export class ChaosPluginClient extends ChaosAgent {
  readonly #plugins: Holding[] = []
  #made = 0

  async act(): Promise<void> {
    if (this.#plugins.length >= KEPT || (this.#plugins.length > 2 && this.random.oneIn(2)))
      await this.#delete()
    else await this.#publish()
    await sleep(this.random.below(100))
  }

  async clear(): Promise<void> {
    for (; this.#plugins.length > 0; await sleep(5)) await this.#delete()
  }

  /** A binary that is published once only: bytes after its last section are not looked at. */
  async #publish(): Promise<void> {
    const { judge, ledger } = this.world
    const { bytes } = this.random.of(FIXTURES)
    const suffix = Buffer.from(`${this.name} ${this.#made++} ${this.random.below(2 ** 31)}`)
    const content = contentOf(Buffer.concat([bytes, suffix]))
    const path = `/files/${content.digest.slice('sha256:'.length)}`
    const cut = this.#maybeCut()
    const change = await judge.change('POST /files', [200], () => this.registry.publish(content.bytes), {
      cut,
    })
    if (change.outcome === 'open') ledger.doubt(path)
    if (change.outcome !== 'done') return
    const holding = { name: path, reads: [{ path, content }] }
    this.#plugins.push(holding)
    ledger.acknowledge(holding)
  }

  async #delete(): Promise<void> {
    const { judge, ledger } = this.world
    const plugin = this.random.of(this.#plugins)
    const [{ path = '' } = {}] = plugin.reads
    ledger.release(plugin)
    const cut = this.#maybeCut()
    const change = await judge.change(`DELETE ${path}`, [200], () => this.registry.ask('DELETE', path), {
      cut,
    })
    if (change.outcome === 'refused') return ledger.hold(plugin)
    this.#plugins.splice(this.#plugins.indexOf(plugin), 1)
    if (change.outcome === 'done') ledger.remove(path)
    else ledger.doubt(path)
  }

  #maybeCut(): boolean {
    const cut = this.random.oneIn(8)
    if (cut) this.registry.cutNext(this.random)
    return cut
  }
}
