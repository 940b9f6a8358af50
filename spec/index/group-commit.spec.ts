import { setImmediate as turn } from 'node:timers/promises'
import { expect } from 'chai'
import fc from 'fast-check'
import { GroupCommit } from '../../src/index/group-commit.ts'
import { refusal } from '../support/refusal.ts'

/** A commit that ends when it is told to. */
class Commits {
  readonly groups: string[][] = []
  readonly #ends: ((error?: Error) => void)[] = []

  readonly commit = (items: string[]): Promise<void> => {
    this.groups.push(items)
    return new Promise((resolve, reject) => {
      this.#ends.push(error => (error ? reject(error) : resolve()))
    })
  }

  async end(error?: Error): Promise<void> {
    this.#ends.shift()?.(error)
    await turn()
  }
}

const settled = async (promise: Promise<void>) => {
  let is = false
  promise.then(
    () => (is = true),
    () => (is = true),
  )
  await turn()
  return is
}

describe('index/group-commit', () => {
  it('commits what comes alone at once', async () => {
    const commits = new Commits()
    const added = new GroupCommit(commits.commit).add(['a', 'b'])
    await turn()
    expect(commits.groups).to.deep.equal([['a', 'b']])
    expect(await settled(added)).to.equal(false)
    await commits.end()
    await added
  })

  it('makes one commit of all that comes while another is under way, in its order', async () => {
    const commits = new Commits()
    const group = new GroupCommit(commits.commit)
    const first = group.add(['a'])
    await turn()
    const later = [group.add(['b', 'c']), group.add(['d']), group.add([])]
    await turn()
    expect(commits.groups).to.deep.equal([['a']])
    await commits.end()
    await first
    expect(commits.groups).to.deep.equal([['a'], ['b', 'c', 'd']])
    expect(await settled(Promise.race(later))).to.equal(false)
    await commits.end()
    await Promise.all(later)
  })

  it('fails for all in a commit and all that wait behind it, and goes on with the next', async () => {
    const commits = new Commits()
    const failures: unknown[] = []
    const group = new GroupCommit(commits.commit, error => failures.push((error as Error).message))
    const first = refusal(group.add(['a']))
    await turn()
    const second = [refusal(group.add(['b'])), refusal(group.add(['c']))]
    await commits.end(new Error('disk gone'))
    expect(await first).to.equal('disk gone')
    expect(await Promise.all(second)).to.deep.equal(['disk gone', 'disk gone'])
    expect(failures).to.deep.equal(['disk gone', 'disk gone'])
    const third = group.add(['d'])
    await turn()
    await commits.end()
    await third
    expect(commits.groups).to.deep.equal([['a'], ['d']])
  })

  it('goes on where a commit throws instead of rejecting', async () => {
    let broken = true
    const group = new GroupCommit<string>(() => {
      if (broken) throw new Error('at once')
      return Promise.resolve()
    })
    expect(await refusal(group.add(['a']))).to.equal('at once')
    broken = false
    await group.add(['b'])
  })

  it('loses nothing and doubles nothing, whenever it comes', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.nat(3), { maxLength: 30 }), async pauses => {
        const committed: number[] = []
        const group = new GroupCommit<number>(async items => {
          await turn()
          committed.push(...items)
        })
        const added: Promise<void>[] = []
        for (const [i, pause] of pauses.entries()) {
          added.push(
            group.add([i]).then(() => {
              expect(committed).to.include(i)
            }),
          )
          for (let turns = 0; turns < pause; turns++) await turn()
        }
        await Promise.all(added)
        expect(committed).to.deep.equal(pauses.map((_, i) => i))
      }),
      { numRuns: 50 },
    )
  })
})
