import { readdir, readlink, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { expect } from 'chai'
import { type Code, FaultyFs } from '../../spec/support/faults.ts'
import { refusal } from '../../spec/support/refusal.ts'
import type { CoreRegistry } from '../../spec/support/registry.ts'
import { Ledger } from './ledger.ts'
import { expectWhole } from './promises.ts'
import { openStorage, recoverStorage } from './storage.ts'
import type { Step } from './whole-push.ts'

export interface Fault {
  readonly name: string
  readonly code: Code
  /** Whether it can befall that call. */
  readonly befalls: (call: string, args: readonly unknown[]) => boolean
  /** Whether it stays until the request has failed. */
  readonly lasting?: true
  /** Whether writes take a part of their bytes before. */
  readonly halfWrites?: true
}

/** So small that a push begins many segments, and has snapshots made. */
const LIMITS = { segment: 4000, snapshot: 10_000 }

const WELL = 'nothing: it went well'

/** How a step may end that the error befalls. */
const REFUSALS: Partial<Record<Code, RegExp>> = {
  ENOSPC: /^(?:nothing: it went well|STORAGE_FULL)$/,
  EDQUOT: /^(?:nothing: it went well|STORAGE_FULL)$/,
  EROFS: /^(?:nothing: it went well|READ_ONLY)$/,
  // A read says so as well, and http/errors.ts finds the words for it.
  EMFILE: /^(?:nothing: it went well|OUT_OF_DESCRIPTORS$|EMFILE: )/,
}

/** The folders of blobs are read one by one, all alike: this one stands for all. */
const ALIKE = /^readdir blobs\/(?!sha256\/80)/

/** A registry on a disk that fails. */
export class FaultTrial {
  readonly #root: string
  readonly #fault: Fault
  readonly #faulty: FaultyFs
  readonly #ledger = new Ledger()
  #registry!: CoreRegistry

  private constructor(root: string, fault: Fault) {
    this.#root = root
    this.#fault = fault
    this.#faulty = new FaultyFs(root)
  }

  static async open(root: string, fault: Fault): Promise<FaultTrial> {
    const trial = new FaultTrial(root, fault)
    await trial.#open()
    return trial
  }

  /** Lets the nth call of the step fail, counted from 0. Undefined where it has none, and is done now; else the call. */
  async attempt(step: Step, n: number): Promise<string | undefined> {
    const call = this.#arm(n)
    const outcome = await refusal(step.run(this.#registry))
    this.#faulty.heal()
    this.#faulty.halfWrites = false
    const hit = call()
    if (!hit) {
      expect(outcome, step.name).to.equal(WELL)
      return undefined
    }
    try {
      await this.#expect(hit, outcome)
      if (outcome !== WELL) await step.run(this.#registry)
      await this.#ledger.expect(this.#registry.index)
      await expectWhole(this.#registry)
    } catch (error) {
      ;(error as Error).message = `${hit} of ${step.name} -> ${outcome}: ${(error as Error).message}`
      throw error
    }
    return hit
  }

  /** Ends it, and sees that everything is there after a restart, and where LevelDB is lost as well. */
  async close(): Promise<void> {
    await this.#registry.close()
    for (const lost of [false, true]) {
      if (lost) await rm(join(this.#root, 'index'), { recursive: true })
      this.#registry = await recoverStorage(this.#root)
      await this.#ledger.expect(this.#registry.index)
      await expectWhole(this.#registry)
      await this.#registry.store.expireUploads(new Date(Date.now() + 60_000))
      expect(await readdir(join(this.#root, 'uploads')), 'staged').to.deep.equal([])
      await this.#registry.close()
    }
  }

  /** Answers a function that tells which call failed. */
  #arm(n: number): () => string | undefined {
    const { code, befalls, lasting, halfWrites = false } = this.#fault
    let seen = 0
    let hit: string | undefined
    this.#faulty.halfWrites = halfWrites
    this.#faulty.failIf((call, args) => {
      if (!befalls(call, args) || ALIKE.test(call)) return undefined
      if (lasting && hit) return code
      if (seen++ !== n) return undefined
      hit = call
      return code
    })
    return () => hit
  }

  /** What was acknowledged is there, what was not is there whole or not at all, and the registry goes on as it should. */
  async #expect(hit: string, outcome: string): Promise<void> {
    const { code } = this.#fault
    await this.#ledger.expect(this.#registry.index)
    await expectWhole(this.#registry)
    for (const folder of ['blobs', 'uploads'])
      expect(await openFiles(join(this.#root, folder)), 'open files').to.deep.equal([])
    const lost = await this.#isLost()
    if (!hit.startsWith('sync ') && code !== 'EIO') expect(lost, 'takes no writes for good').to.equal(false)
    else if (code !== 'EIO') expect(lost).to.equal(true)
    if (code !== 'EIO' && !lost) expect(outcome).to.match(REFUSALS[code] ?? /^never$/)
    if (lost) {
      expect(await refusal(this.#registry.pushBlob('refused', hit))).to.equal('READ_ONLY')
      await this.#registry.close()
      await this.#open()
    }
    await this.#ledger.settle(this.#registry.index)
  }

  /** Waits until all can be written again. True if that will not be before a restart. */
  async #isLost(): Promise<boolean> {
    while (true) {
      const failure = await this.#registry.check().catch(error => error as Error)
      if (!failure) return false
      if (failure.message.includes('started again')) return true
      await sleep(5)
    }
  }

  async #open(): Promise<void> {
    this.#registry = await openStorage(this.#root, { fs: this.#faulty.fs, limits: LIMITS })
    this.#ledger.watch(this.#registry.index)
  }
}

/** Files in that folder that this process has open. */
export async function openFiles(folder: string): Promise<string[]> {
  const fds = await readdir('/proc/self/fd').catch(() => [])
  const files = await Promise.all(fds.map(fd => readlink(`/proc/self/fd/${fd}`).catch(() => '')))
  return files.filter(file => file.startsWith(folder))
}
