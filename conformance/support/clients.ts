import { findClient } from './process.ts'

/**
 * A suite that needs real clients. Where one is missing, the suite fails on CI and is visibly pending elsewhere.
 * `describeClients(['oras', 'tar'], 'oras push', () => { … })`
 */
export function describeClients(names: readonly string[], title: string, suite: () => void): void {
  const missing = names.filter(name => findClient(name) === undefined)
  if (missing.length === 0) {
    describe(title, suite)
    return
  }
  const reason = `needs ${missing.join(' and ')} on PATH or in the folder CLIENTS_BIN`
  describe(title, () => {
    if (process.env.CI !== 'true') it(reason)
    else
      it(reason, () => {
        throw new Error(`${reason}; CI must not pass without`)
      })
  })
}

/** A suite that only runs where the environment names what it needs. */
export function describeWith(variable: string, what: string, title: string, suite: () => void): void {
  if (process.env[variable]) describe(title, suite)
  else describe(title, () => void it(`runs where ${variable} names ${what}`))
}
