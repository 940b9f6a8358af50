import { Client } from './client.ts'
import { randomWord } from './content.ts'
import { Repository } from './repository.ts'
import { readTarget } from './target.ts'

export const target = readTarget(process.env)
export const client = new Client(target)

/** Everything that this run pushes lies below this name. */
const PREFIX = `conformance/${randomWord()}`

// Of the root suite: it runs after the cases of every file.
after('deletes what was pushed', async function () {
  this.timeout(600_000)
  const left = await client.pushed.deleteAll(client)
  if (left.length > 0)
    console.log(
      `\n${left.length} repositories could not be emptied, such as ${left[0]}: delete what is below ${PREFIX}`,
    )
})

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
