import { readFileSync } from 'node:fs'
import { rename, rm, symlink } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseEnv } from 'node:util'

const PRELOAD = new URL('chaos-clock-preload.mjs', import.meta.url)
const NODE_ENV = fileURLToPath(new URL('../../node.env', import.meta.url))

/** The clock of a server, which is stepped while the server runs. See chaos-clock-preload.mjs for how. */
export class ChaosClock {
  readonly #link: string
  #shift = 0
  #latest = 0

  constructor(folder: string) {
    this.#link = join(folder, 'clock')
  }

  /** What the server has to be started with. */
  get env(): Record<string, string> {
    const { NODE_OPTIONS = '' } = parseEnv(readFileSync(NODE_ENV, 'utf8'))
    return { NODE_OPTIONS: `${NODE_OPTIONS} --import=${PRELOAD}`, CHAOS_CLOCK: this.#link }
  }

  /** In milliseconds ahead of the real time. */
  get shift(): number {
    return this.#shift
  }

  async set(shift: number): Promise<void> {
    this.#shift = Math.round(shift)
    this.#latest = Math.max(this.#latest, this.#shift)
    const next = `${this.#link}.new`
    await rm(next, { force: true })
    await symlink(String(this.#shift), next)
    await rename(next, this.#link)
  }

  /** As far ahead as it has ever been: what was noted then lies in the past. */
  catchUp(): Promise<void> {
    return this.set(this.#latest)
  }
}
