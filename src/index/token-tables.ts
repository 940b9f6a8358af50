import { table } from './tables.ts'

/* Neither truth nor derived from it: a rebuilt index begins without, and clients log in again. */

export interface RefreshTokenRow {
  /** The user name that the client gave: for people only. */
  readonly account: string
  /** Fingerprint of the secret that it was issued for: a new secret revokes it. */
  readonly secret: string
  /** When it was used last, in milliseconds since 1970, to within a day. */
  readonly used: number
}

/** Refresh tokens of clients that have logged in, by the SHA-256 of the token. */
export const REFRESH_TOKENS = table<[hash: string], RefreshTokenRow>('refresh-token')
