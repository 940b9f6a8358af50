import { setTimeout as sleep } from 'node:timers/promises'
import { expect } from 'chai'
import { Spells } from '../../src/lib/spells.ts'

describe('lib/spells', () => {
  let now: number

  beforeEach(() => {
    now = 0
  })

  /** Whether a callback of the event loop runs before the step has ended. */
  async function givesTurn(spells: Spells): Promise<boolean> {
    let turn = false
    setImmediate(() => {
      turn = true
    })
    await spells.breathe()
    return turn
  }

  it('work that is long enough gives others a turn, and the next spell begins', async () => {
    for (const gentle of [true, false]) {
      now = 0
      const spells = new Spells(gentle, undefined, () => now)
      now = 20
      expect(await givesTurn(spells)).to.equal(true)
      expect(await givesTurn(spells)).to.equal(false)
    }
  })

  it('a short step goes on at once', async () => {
    const spells = new Spells(true, undefined, () => now)
    now = 19
    expect(await givesTurn(spells)).to.equal(false)
  })

  it('gentle work rests as long as it worked, unless it is to stop', async () => {
    const stop = new AbortController()
    const spells = new Spells(true, stop.signal, () => now)
    now = 3_600_000
    const rest = spells.breathe().catch(error => error)
    // Another one rests not at all.
    now = 0
    const other = new Spells(false, undefined, () => now)
    now = 3_600_000
    await other.breathe()
    expect(await Promise.race([rest, sleep(20, 'still rests')])).to.equal('still rests')
    stop.abort()
    expect(await rest).to.have.property('name', 'AbortError')
    expect(await spells.breathe().catch(error => error)).to.have.property('name', 'AbortError')
  })
})
