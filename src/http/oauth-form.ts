import type { Context } from 'koa'
import { readBody } from './body.ts'
import { OAuthError } from './oauth-error.ts'

/** Room for all scopes of one token with every character percent-encoded, and for credentials. */
const MAX_FORM_BYTES = 32 * 1024

/** The parameters of a request to an OAuth endpoint (RFC 6749, 3.2 and appendix B). */
export class OAuthForm {
  readonly #parameters: URLSearchParams

  constructor(text: string) {
    this.#parameters = new URLSearchParams(text)
  }

  /** Docker's clients repeat `scope`. Parameters without a value are as if omitted. */
  all(name: string): string[] {
    return this.#parameters.getAll(name).filter(value => value !== '')
  }

  /** Throws `OAuthError` if the parameter is repeated. */
  one(name: string): string | undefined {
    const [value, ...more] = this.all(name)
    if (more.length > 0) throw new OAuthError('invalid_request', `${name} is given several times`)
    return value
  }

  /** Throws `OAuthError` if the parameter is missing or repeated. */
  required(name: string): string {
    const value = this.one(name)
    if (value === undefined) throw new OAuthError('invalid_request', `${name} is missing`)
    return value
  }
}

/** Reads the body of the request. Throws `OAuthError` if it is no form or too large. */
export async function readOAuthForm(ctx: Context): Promise<OAuthForm> {
  const [type = ''] = (ctx.req.headers['content-type'] ?? '').split(';')
  if (type.trim().toLowerCase() !== 'application/x-www-form-urlencoded')
    throw new OAuthError('invalid_request', 'the body has to be application/x-www-form-urlencoded')
  const tooLarge = () =>
    new OAuthError('invalid_request', `the body is larger than ${MAX_FORM_BYTES} bytes: ask for fewer scopes`)
  return new OAuthForm((await readBody(ctx, MAX_FORM_BYTES, tooLarge)).toString())
}
