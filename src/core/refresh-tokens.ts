import { createHash, randomBytes } from 'node:crypto'
import { Batch } from '../index/batch.ts'
import type { Entry, Index } from '../index/contract.ts'
import { REFRESH_TOKENS, type RefreshTokenRow } from '../index/token-tables.ts'

const DAY_MS = 86_400_000

/** A token that is not used for so long expires. */
const IDLE_TIMEOUT_MS = 90 * DAY_MS

/** The most tokens that are stored. */
const MAX_TOKENS = 1000

/** The account name is for people only, so a long one is cut. */
const MAX_ACCOUNT_LENGTH = 128

type TokenEntry = Entry<[hash: string], RefreshTokenRow>

/**
 * Tokens that a client keeps in place of the secret (OAuth 2.0, RFC 6749, 1.5). Only their hashes are stored. Each is
 * revoked by itself, all are revoked by a new secret, and those that are not used expire.
 */
export class RefreshTokens {
  readonly #index: Index
  readonly #now: () => number

  /** `now`: a clock in milliseconds since 1970. */
  constructor(index: Index, now: () => number = Date.now) {
    this.#index = index
    this.#now = now
  }

  /** Returns a new token for a client that has shown the secret. Throws if it cannot be stored. */
  async issue(account: string, secret: string): Promise<string> {
    const token = randomBytes(32).toString('base64url')
    const fingerprint = fingerprintOf(secret)
    await this.#change(async batch => {
      const entries = await batch.page(REFRESH_TOKENS, [])
      for (const { key } of superseded(entries, entry => this.#isValid(entry.row, fingerprint)))
        batch.del(REFRESH_TOKENS, key)
      const row = { account: account.slice(0, MAX_ACCOUNT_LENGTH), secret: fingerprint, used: this.#now() }
      batch.put(REFRESH_TOKENS, [hashOf(token)], row)
    })
    return token
  }

  /** Whether the token was issued for this secret and is still valid. Each use prolongs it. */
  async use(token: string, secret: string): Promise<boolean> {
    const hash = hashOf(token)
    const row = await this.#index.get(REFRESH_TOKENS, hash)
    if (!row || !this.#isValid(row, fingerprintOf(secret))) return false
    if (this.#now() - row.used > DAY_MS) await this.#prolong(hash)
    return true
  }

  /** Revokes the token, if there is such a token (RFC 7009). */
  async revoke(token: string): Promise<void> {
    const hash = hashOf(token)
    if (!(await this.#index.get(REFRESH_TOKENS, hash))) return
    await this.#change(async batch => batch.del(REFRESH_TOKENS, [hash]))
  }

  async #prolong(hash: string): Promise<void> {
    const prolonged = this.#change(async batch => {
      const row = await batch.get(REFRESH_TOKENS, hash)
      // It may have been revoked in the meantime.
      if (row) batch.put(REFRESH_TOKENS, [hash], { ...row, used: this.#now() })
    })
    // The token is valid although nothing can be written at the moment; its next use tries again.
    await prolonged.catch(() => {})
  }

  #isValid({ secret, used }: RefreshTokenRow, fingerprint: string): boolean {
    return secret === fingerprint && this.#now() - used < IDLE_TIMEOUT_MS
  }

  async #change(work: (batch: Batch) => Promise<void>): Promise<void> {
    await this.#index.exclusive(['refresh tokens'], async () => {
      const batch = new Batch(this.#index)
      await work(batch)
      await batch.apply()
    })
  }
}

/**
 * The tokens that make room for a new one: those that are not valid any more and, if the others are too many, the one of
 * the account with the most tokens that was not used for the longest time. So a machine that logs in again and again
 * does not log people out.
 */
function superseded(entries: readonly TokenEntry[], isValid: (entry: TokenEntry) => boolean): TokenEntry[] {
  const valid = entries.filter(isValid)
  const invalid = entries.filter(entry => !isValid(entry))
  if (valid.length < MAX_TOKENS) return invalid
  const byAccount = new Map<string, TokenEntry[]>()
  for (const entry of valid) {
    const ofAccount = byAccount.get(entry.row.account)
    if (ofAccount) ofAccount.push(entry)
    else byAccount.set(entry.row.account, [entry])
  }
  const [most = []] = [...byAccount.values()].sort((a, b) => b.length - a.length)
  return [...invalid, ...most.sort((a, b) => a.row.used - b.row.used).slice(0, 1)]
}

function fingerprintOf(secret: string): string {
  return hashOf(`fingerprint\0${secret}`)
}

function hashOf(text: string): string {
  return createHash('sha256').update(text).digest('hex')
}
