import { setTimeout as sleep } from 'node:timers/promises'
import { FaultyUpstream } from '../../spec/support/faulty-upstream.ts'
import { TokenAccess } from '../../spec/support/upstream/access.ts'
import type { Certificate } from '../../spec/support/upstream/certificate.ts'
import { type Answer, ask } from './ask.ts'
import type { FaultCase } from './faults.ts'
import type { Question } from './questions.ts'
import { Stock } from './stock.ts'

/** When the TTLs of the mirror are over, in milliseconds. */
const PAST_TTL = 1200

/** What both forms of a question got. */
export interface Answers {
  readonly kept: Answer
  readonly absent: Answer
}

/** What clients of the mirror got. */
export interface Outcome {
  /** While the upstream failed. */
  readonly broken: Answers
  /** When it was sound again. */
  readonly healed: Answers
  /** From an upstream of the same content, without the mirror. */
  readonly direct: Answers
}

/** One fault at one question, with an upstream of its own. */
export class Trial {
  /** Of the mirror, and the prefix of what it has. */
  readonly name: string
  readonly upstream: FaultyUpstream
  readonly #fault: FaultCase
  readonly #question: Question
  readonly #access: TokenAccess | undefined
  readonly #stock: Stock

  private constructor(
    name: string,
    fault: FaultCase,
    question: Question,
    stock: Stock,
    upstream: FaultyUpstream,
    access: TokenAccess | undefined,
  ) {
    this.name = name
    this.upstream = upstream
    this.#fault = fault
    this.#question = question
    this.#stock = stock
    this.#access = access
  }

  static async start(
    name: string,
    fault: FaultCase,
    question: Question,
    certificate: Certificate,
  ): Promise<Trial> {
    const stock = new Stock()
    const access = question.tokens ? new TokenAccess() : undefined
    const upstream = await FaultyUpstream.start({
      content: stock.content,
      ...(access && { access }),
      ...(fault.tls && { certificate }),
    })
    return new Trial(name, fault, question, stock, upstream, access)
  }

  /** Pulls what is to be kept, lets the upstream fail, and heals it. */
  async run(mirror: string): Promise<Outcome> {
    const base = `${mirror}/v2/${this.name}`
    const { manifest, layer, referrer } = this.#stock.kept
    for (const path of [
      'manifests/kept',
      `blobs/${layer}`,
      `manifests/${manifest}`,
      `manifests/${referrer}`,
    ]) {
      const { status, bytes } = await ask(`${base}/app/${path}`)
      if (status !== 200) throw new Error(`${path}, before it ${this.#fault.title}: ${status} ${bytes}`)
    }
    await sleep(PAST_TTL)
    this.#access?.revoke()
    const heal = await this.#fault.begin(this.upstream, this.#question.kind)
    const broken = await this.#askBoth(base)
    await heal()
    await sleep(PAST_TTL)
    return { broken, healed: await this.#askBoth(base), direct: await this.#direct() }
  }

  async #direct(): Promise<Answers> {
    const open = await FaultyUpstream.start({ content: this.#stock.content })
    try {
      return await this.#askBoth(`${open.url}/v2`)
    } finally {
      await open.stop()
    }
  }

  async #askBoth(base: string): Promise<Answers> {
    const { method, kept, absent } = this.#question
    const at = (path: string) => ask(`${base}/${path}`, { method })
    const answers = await Promise.all([at(kept(this.#stock)), at(absent(this.#stock))])
    return { kept: answers[0], absent: answers[1] }
  }
}
