import type { Target } from './target.ts'

/** The parts of a `WWW-Authenticate` header: scheme and parameters, RFC 9110 section 11.6.1. */
export interface Challenge {
  scheme: string
  parameters: Record<string, string>
}

/** The first challenge of a header. */
export function parseChallenge(header: string): Challenge {
  const [, scheme = '', rest = ''] = /^(\S+)\s*(.*)$/.exec(header) ?? []
  const parameters: Record<string, string> = {}
  for (const [, name = '', quoted, bare] of rest.matchAll(/([a-z_]+)=(?:"([^"]*)"|([^\s,]+))/gi)) {
    parameters[name.toLowerCase()] = quoted ?? bare ?? ''
  }
  return { scheme: scheme.toLowerCase(), parameters }
}

export function basic(user: string, password: string): string {
  return `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`
}

/** The address at which a Bearer challenge hands out its tokens. */
export function tokenAddress(challenge: Challenge, base: URL, scope = challenge.parameters.scope): URL {
  const address = new URL(challenge.parameters.realm ?? '', base)
  if (challenge.parameters.service) address.searchParams.set('service', challenge.parameters.service)
  for (const one of (scope ?? '').split(' ').filter(Boolean)) address.searchParams.append('scope', one)
  return address
}

/** The token in the token endpoint's body; registries spell it `token` or `access_token`. */
export function tokenOf(body: unknown): string | undefined {
  const { token, access_token: access } = body as { token?: string; access_token?: string }
  return token ?? access
}

/** What to send as `Authorization` after that challenge; undefined where the target has no credentials for it. */
export async function authorizationFor(target: Target, header: string): Promise<string | undefined> {
  if (target.token !== undefined) return `Bearer ${target.token}`
  const login =
    target.user === undefined || target.password === undefined
      ? undefined
      : basic(target.user, target.password)
  const challenge = parseChallenge(header)
  if (challenge.scheme !== 'bearer') return login
  const headers: Record<string, string> = login === undefined ? {} : { authorization: login }
  const response = await fetch(tokenAddress(challenge, target.url), { headers })
  const token = response.ok ? tokenOf(await response.json()) : undefined
  return token === undefined ? undefined : `Bearer ${token}`
}
