import type { World } from './kill-world.ts'
import { contentOf } from './registry-client.ts'

/** A digest; nothing, where the tag is deleted. */
type Value = string | undefined

interface Write {
  readonly value: Value
  readonly began: number
  /** When its answer came; never, where none did. */
  ended: number
}

/** Tags of a repository that are always written by one request: they are all at the old value, or all at the new. */
export class TagSet {
  readonly repository: string
  readonly tags: readonly string[]
  #writes: Write[] = [{ value: undefined, began: 0, ended: 0 }]
  #time = 0

  constructor(repository: string, tags: readonly string[]) {
    this.repository = repository
    this.tags = tags
  }

  begin(value: Value): Write {
    const write = { value, began: ++this.#time, ended: Number.POSITIVE_INFINITY }
    this.#writes.push(write)
    return write
  }

  /** Its answer has come. */
  end(write: Write, done: boolean): void {
    write.ended = ++this.#time
    if (!done) this.#writes = this.#writes.filter(other => other !== write)
  }

  /** Where the tags can be: at every write that no acknowledged one came wholly after. */
  get possible(): Value[] {
    const acknowledged = this.#writes.filter(({ ended }) => ended < Number.POSITIVE_INFINITY)
    const last = Math.max(...acknowledged.map(({ began }) => began))
    return this.#writes.filter(({ ended }) => ended >= last).map(({ value }) => value)
  }

  /** Where they are, for whoever is alone with them or has just checked. */
  get value(): Value {
    return this.possible.at(-1)
  }

  async check({ registry, tally }: World): Promise<void> {
    const { repository, tags, possible } = this
    const found = await Promise.all(
      tags.map(async tag => {
        const { status, bytes, headers } = await registry.get(`/v2/${repository}/manifests/${tag}`)
        if (status !== 200) return status === 404 ? undefined : `status ${status}`
        const { digest } = contentOf(bytes)
        tally.check(headers.get('docker-content-digest') === digest, `corrupt: ${repository}:${tag}`)
        return digest
      }),
    )
    const [first] = found
    const agree = found.every(value => value === first)
    tally.check(agree, `torn: ${repository}:${tags} at ${found}`)
    tally.check(possible.includes(first), `lost: ${repository}:${tags} at ${first}, not at ${possible}`)
    tally.count('checks of tags', tags.length)
    this.#writes = [{ value: first, began: 0, ended: 0 }]
  }
}
