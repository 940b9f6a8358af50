import { setImmediate as turn } from 'node:timers/promises'
import { expect } from 'chai'
import fc from 'fast-check'
import { KeyedLock } from '../../src/lib/keyed-lock.ts'
import { refusal } from '../support/refusal.ts'

/** Work by its name, which says in the log when it begins and when it ends. */
const logged = (log: string[]) => (name: string) => async () => {
  log.push(`${name} begins`)
  await turn()
  log.push(`${name} ends`)
}

describe('lib/keyed-lock', () => {
  it('answers what the work answers', async () => {
    expect(await new KeyedLock().run(['a'], async () => 42)).to.equal(42)
  })

  it('fails as the work fails, and the next goes on', async () => {
    const lock = new KeyedLock()
    const failing = lock.run(['a'], async () => {
      throw new Error('broken')
    })
    const next = lock.run(['a'], async () => 'next')
    expect(await refusal(failing)).to.equal('broken')
    expect(await next).to.equal('next')
  })

  it('fails where the work throws at once', async () => {
    const lock = new KeyedLock()
    const failing = lock.run(['a'], () => {
      throw new Error('at once')
    })
    expect(await refusal(failing)).to.equal('at once')
    expect(await lock.run(['a'], async () => 'next')).to.equal('next')
  })

  it('runs work of one key one after another, in the order it was asked', async () => {
    const lock = new KeyedLock()
    const log: string[] = []
    const work = logged(log)
    await Promise.all([
      lock.run(['a'], work('1')),
      lock.run(['a'], work('2')),
      lock.run(['a', 'b'], work('3')),
    ])
    expect(log).to.deep.equal(['1 begins', '1 ends', '2 begins', '2 ends', '3 begins', '3 ends'])
  })

  it('runs work of other keys meanwhile', async () => {
    const lock = new KeyedLock()
    let release = () => {}
    const held = lock.run(['a'], () => new Promise<void>(resolve => (release = resolve)))
    expect(await lock.run(['b'], async () => 'b went by')).to.equal('b went by')
    release()
    await held
  })

  it('takes a key that is named twice once', async () => {
    expect(await new KeyedLock().run(['a', 'a'], async () => 'done')).to.equal('done')
  })

  it('needs no key', async () => {
    expect(await new KeyedLock().run([], async () => 'done')).to.equal('done')
  })

  describe('share', () => {
    it('lets in all who share a key, and none of them beside who is alone', async () => {
      const lock = new KeyedLock()
      const log: string[] = []
      const work = logged(log)
      await Promise.all([
        lock.share(['a'], work('1')),
        lock.share(['a'], work('2')),
        lock.run(['a'], work('alone')),
        lock.share(['a'], work('3')),
        lock.share(['a', 'b'], work('4')),
      ])
      expect(log).to.deep.equal([
        '1 begins',
        '2 begins',
        '1 ends',
        '2 ends',
        'alone begins',
        'alone ends',
        '3 begins',
        '4 begins',
        '3 ends',
        '4 ends',
      ])
    })

    it('answers, and fails, as the work does', async () => {
      const lock = new KeyedLock()
      expect(await lock.share(['a'], async () => 42)).to.equal(42)
      expect(await refusal(lock.share(['a'], async () => Promise.reject(new Error('broken'))))).to.equal(
        'broken',
      )
      expect(await lock.run(['a'], async () => 'next')).to.equal('next')
    })
  })

  describe('attempt', () => {
    it('runs where nobody is in line', async () => {
      const lock = new KeyedLock()
      expect(await lock.attempt(['a', 'b'], async () => 42)).to.equal(42)
      await lock.run(['a'], async () => {})
      await turn()
      expect(await lock.attempt(['a'], async () => 'again')).to.equal('again')
    })

    for (const mode of ['run', 'share', 'attempt'] as const) {
      it(`does nothing while somebody does ${mode}, and waits for nobody`, async () => {
        const lock = new KeyedLock()
        let release = () => {}
        const held = lock[mode](['a'], () => new Promise<void>(resolve => (release = resolve)))
        await turn()
        expect(await lock.attempt(['b', 'a'], () => expect.fail('it ran'))).to.equal(undefined)
        expect(await lock.attempt(['b'], async () => 'b')).to.equal('b')
        release()
        await held
      })
    }

    it('keeps others out while it runs', async () => {
      const lock = new KeyedLock()
      const log: string[] = []
      await Promise.all([
        lock.attempt(['a'], async () => {
          await turn()
          log.push('attempt')
        }),
        lock.share(['a'], async () => log.push('share')),
        lock.run(['a'], async () => log.push('run')),
      ])
      expect(log).to.deep.equal(['attempt', 'share', 'run'])
    })
  })

  it('neither lets in whom it must not nor hangs, whatever work asks for in whatever order', async () => {
    const asking = fc.record({
      keys: fc.array(fc.constantFrom('a', 'b', 'c', 'd'), { maxLength: 3 }),
      mode: fc.constantFrom('run', 'share', 'attempt'),
      turns: fc.nat(3),
    })
    await fc.assert(
      fc.asyncProperty(fc.array(asking, { maxLength: 20 }), async asked => {
        const lock = new KeyedLock()
        const alone = new Set<string>()
        const sharing = new Map<string, number>()
        const outcomes = await Promise.all(
          asked.map(({ keys, mode, turns }) =>
            lock[mode](keys, async () => {
              const mine = [...new Set(keys)]
              for (const key of mine) {
                expect(alone.has(key)).to.equal(false)
                if (mode !== 'share') expect(sharing.get(key) ?? 0).to.equal(0)
                if (mode === 'share') sharing.set(key, (sharing.get(key) ?? 0) + 1)
                else alone.add(key)
              }
              for (let i = 0; i < turns; i++) await turn()
              for (const key of mine) {
                if (mode === 'share') sharing.set(key, (sharing.get(key) ?? 0) - 1)
                else alone.delete(key)
              }
              return 'done'
            }),
          ),
        )
        for (const [i, { mode }] of asked.entries())
          if (mode !== 'attempt') expect(outcomes[i]).to.equal('done')
      }),
      { numRuns: 100 },
    )
  })
})
