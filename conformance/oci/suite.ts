import { Client } from './client.ts'
import { randomWord } from './content.ts'
import { Repository } from './repository.ts'
import { readTarget } from './target.ts'

export const target = readTarget(process.env)
export const client = new Client(target)

/** Everything that this run pushes lies below this name. */
const PREFIX = `conformance/${randomWord()}`

/** A repository that nothing has been pushed to. */
export function newRepository(label = 'repo'): Repository {
  return new Repository(client, `${PREFIX}/${label}-${randomWord()}`)
}

type Check = (this: Mocha.Context) => Promise<void> | void

/** A sentence of the spec with MUST. */
export function must(sentence: string, check: Check): void {
  it(`${sentence} [MUST]`, check)
}

/** A sentence of the spec with SHOULD. */
export function should(sentence: string, check: Check): void {
  it(`${sentence} [SHOULD]`, check)
}

/** What the spec leaves open or to other standards, and the best registries do. */
export function beyond(sentence: string, check: Check): void {
  it(`${sentence} [beyond]`, check)
}
