import Router from '@koa/router'
import type { Context } from 'koa'
import type { RefreshTokens } from '../core/refresh-tokens.ts'
import { RegistryError } from '../oci/errors.ts'
import type { Access } from './access.ts'
import { identify } from './access-log.ts'
import { checkScopes, formatScope, parseScopes, readOnly } from './grant.ts'
import { OAuthError } from './oauth-error.ts'
import { type OAuthForm, readOAuthForm } from './oauth-form.ts'
import { parametersOf } from './parameters.ts'
import { sendEmpty } from './send-empty.ts'
import { sendJson } from './send-json.ts'

/** Docker's token flow in both its forms (distribution, docs/spec/auth: token.md and oauth.md), and RFC 7009. */
export function tokenApi(refreshTokens: RefreshTokens, access: Access): Router {
  const router = new Router({ sensitive: true, strict: true })

  /** Gives clients that have the secret what they ask for, and all others what of it only reads. */
  router.get('/token', async ctx => {
    const parameters = parametersOf(ctx)
    const scopes = parameters.getAll('scope')
    checkScopes(scopes)
    const asked = parseScopes(scopes)
    const isOwner = (await access.rightOf(ctx)) === 'all'
    const issued = await access.tokens.issue(isOwner ? asked : readOnly(asked))
    const isOffline = isOwner && ctx.method === 'GET' && parameters.get('offline_token') === 'true'
    const refreshToken = isOffline ? await issueRefreshToken(parameters.get('account') ?? '') : undefined
    ctx.set('Cache-Control', 'no-store')
    sendJson(ctx, { ...issued, ...(refreshToken && { refresh_token: refreshToken }) })
  })

  router.post('/token', async ctx => {
    const form = await readOAuthForm(ctx)
    const scopes = form.all('scope')
    try {
      checkScopes(scopes)
    } catch (error) {
      throw new OAuthError('invalid_scope', (error as Error).message)
    }
    const refreshToken = await authenticate(ctx, form)
    const grants = parseScopes(scopes)
    ctx.set('Cache-Control', 'no-store')
    sendJson(ctx, {
      ...(await access.tokens.issue(grants)),
      scope: grants.map(formatScope).join(' '),
      ...(refreshToken && { refresh_token: refreshToken }),
    })
  })

  /** RFC 7009. The token itself is proof enough that the client may revoke it; an unknown one is no error (2.2). */
  router.post('/token/revoke', async ctx => {
    const form = await readOAuthForm(ctx)
    const token = form.required('token')
    if (token.includes('.'))
      throw new OAuthError(
        'unsupported_token_type',
        'access tokens expire by themselves; revoke refresh tokens',
      )
    await refreshTokens.revoke(token)
    ctx.set('Cache-Control', 'no-store')
    sendEmpty(ctx, 200)
  })

  /** Checks the credentials of the form. Returns the refresh token if the client asks for one. Throws `OAuthError`. */
  async function authenticate(ctx: Context, form: OAuthForm): Promise<string | undefined> {
    const grantType = form.required('grant_type')
    const isOffline = form.one('access_type') === 'offline'
    if (grantType === 'password') {
      const username = form.required('username')
      if (!access.credentials.isSecret(form.required('password')))
        throw refused(ctx, 'the password is wrong: it is the token of this registry')
      identify(ctx.req, { who: 'the secret' })
      return isOffline ? await issueRefreshToken(username) : undefined
    }
    if (grantType === 'refresh_token') {
      const token = form.required('refresh_token')
      if (!(await refreshTokens.use(token, access.secret)))
        throw refused(ctx, 'the refresh token is wrong, was revoked or has expired: log in again')
      identify(ctx.req, { who: 'a refresh token' })
      return isOffline ? token : undefined
    }
    throw new OAuthError('unsupported_grant_type', 'grant_type is password or refresh_token')
  }

  /** Returns undefined if none can be stored at the moment: the client keeps the secret then, and logs in all the same. */
  async function issueRefreshToken(account: string): Promise<string | undefined> {
    try {
      return await refreshTokens.issue(account, access.secret)
    } catch (error) {
      if (error instanceof RegistryError && error.status > 500) return undefined
      throw error
    }
  }

  return router
}

function refused(ctx: Context, description: string): OAuthError {
  identify(ctx.req, { who: 'anonymous', isRefused: true })
  return new OAuthError('invalid_grant', description)
}
