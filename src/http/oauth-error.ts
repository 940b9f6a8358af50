import { RegistryError } from '../oci/errors.ts'

/** RFC 6749, 5.2, and RFC 7009, 2.2.1. */
export type OAuthErrorCode =
  | 'invalid_request'
  | 'invalid_grant'
  | 'invalid_scope'
  | 'unsupported_grant_type'
  | 'unsupported_token_type'

/** A refusal by the OAuth endpoints, in their own JSON. */
export class OAuthError extends RegistryError {
  /** The body of the response. */
  readonly body: string

  constructor(error: OAuthErrorCode, description: string) {
    super('BAD_REQUEST', { message: description, headers: { 'Cache-Control': 'no-store' } })
    // docker and podman show people only errors in the form of the distribution-spec; OAuth clients ignore other members.
    const code = error === 'invalid_grant' ? 'UNAUTHORIZED' : this.code
    const errors = [{ code, message: description }]
    this.body = JSON.stringify({ error, error_description: description, errors })
  }
}
