import { expect } from 'chai'
import { RefreshTokens } from '../../src/core/refresh-tokens.ts'
import { REFRESH_TOKENS } from '../../src/index/token-tables.ts'
import { type CoreRegistry, registries } from '../support/registry.ts'

const DAY = 86_400_000

describe('core/refresh-tokens', () => {
  const open = registries()
  let registry: CoreRegistry
  let tokens: RefreshTokens
  let now: number

  beforeEach(async () => {
    registry = await open()
    now = Date.UTC(2026, 0, 1)
    tokens = new RefreshTokens(registry.index, () => now)
  })

  const rows = () => registry.rows(REFRESH_TOKENS)

  it('a token is valid with the secret that it was issued for, and stored as a hash only', async () => {
    const token = await tokens.issue('alice', 'secret')
    expect(token).to.match(/^[\w-]{43}$/)
    expect(await tokens.use(token, 'secret')).to.equal(true)
    expect(await tokens.use(token, 'another')).to.equal(false)
    expect(await tokens.use(`${token}x`, 'secret')).to.equal(false)
    expect(JSON.stringify(await rows()))
      .not.to.include(token)
      .and.not.to.include('"secret":"secret"')
  })

  it('a token that is used stays valid, and one that is not used for 90 days has expired', async () => {
    const [used, idle] = [await tokens.issue('a', 's'), await tokens.issue('a', 's')]
    for (let i = 0; i < 5; i++) {
      now += 80 * DAY
      expect(await tokens.use(used, 's')).to.equal(true)
    }
    expect(await tokens.use(idle, 's')).to.equal(false)
    now += 90 * DAY
    expect(await tokens.use(used, 's')).to.equal(false)
  })

  it('the use of a token is written once a day at most', async () => {
    const token = await tokens.issue('a', 's')
    const before = JSON.stringify(await rows())
    now += DAY
    await tokens.use(token, 's')
    expect(JSON.stringify(await rows())).to.equal(before)
    now += 1
    await tokens.use(token, 's')
    expect(JSON.stringify(await rows())).not.to.equal(before)
  })

  it('a token stays valid while nothing can be written', async () => {
    const token = await tokens.issue('a', 's')
    now += 2 * DAY
    registry.index.apply = () => Promise.reject(new Error('EIO'))
    expect(await tokens.use(token, 's')).to.equal(true)
  })

  it('a revoked token is refused, and no other one', async () => {
    const [one, two] = [await tokens.issue('a', 's'), await tokens.issue('a', 's')]
    await tokens.revoke(one)
    await tokens.revoke('unknown')
    expect(await tokens.use(one, 's')).to.equal(false)
    expect(await tokens.use(two, 's')).to.equal(true)
  })

  it('a token that is revoked while its use is noted stays revoked', async () => {
    const token = await tokens.issue('a', 's')
    now += 2 * DAY
    await Promise.all([tokens.revoke(token), tokens.use(token, 's')])
    expect(await tokens.use(token, 's')).to.equal(false)
  })

  it('tokens that are not valid any more are removed with the next one', async () => {
    await tokens.issue('a', 'old')
    await tokens.issue('a', 's')
    expect(Object.keys(await rows())).to.have.length(1)
    now += 100 * DAY
    await tokens.issue('a', 's')
    expect(Object.keys(await rows())).to.have.length(1)
  })

  it('a thousand tokens are stored at most, and an account that logs in again and again ends its own only', async () => {
    const person = await tokens.issue('person', 's')
    const machine: string[] = []
    for (let i = 0; i < 1005; i++) {
      now++
      machine.push(await tokens.issue('machine', 's'))
    }
    expect(Object.keys(await rows())).to.have.length(1000)
    expect(await tokens.use(person, 's')).to.equal(true)
    for (const old of machine.slice(0, 6)) expect(await tokens.use(old, 's')).to.equal(false)
    expect(await tokens.use(machine[6] as string, 's')).to.equal(true)
  })

  it('an account name of any length takes a bounded row', async () => {
    await tokens.issue('x'.repeat(30_000), 's')
    expect(JSON.stringify(await rows()).length).to.be.below(500)
  })
})
