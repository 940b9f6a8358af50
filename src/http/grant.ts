import { RegistryError } from '../oci/errors.ts'

/** What a token lets its bearer do, in the words of Docker's token flow: `repository:<name>:<action>,<action>`. */
export interface Grant {
  readonly type: string
  readonly name: string
  readonly actions: readonly string[]
}

/** Scopes of one token: containerd asks for one more with each blob that it mounts from another repository. */
const MAX_SCOPES = 64

/** Characters of all scopes together. A token for these fits into a header of 16 KiB, which is the most Node.js reads. */
const MAX_SCOPE_LENGTH = 4096

/** Throws `BAD_REQUEST` for more scopes than one token is given for. */
export function checkScopes(scopes: readonly string[]): void {
  const length = scopes.reduce((sum, text) => sum + text.length, 0)
  const count = scopes.flatMap(text => text.split(' ')).length
  if (count <= MAX_SCOPES && length <= MAX_SCOPE_LENGTH) return
  throw new RegistryError('BAD_REQUEST', {
    message:
      `a token is given for at most ${MAX_SCOPES} scopes of ${MAX_SCOPE_LENGTH} characters together, ` +
      `and these are ${count} of ${length}; ask for several tokens`,
    detail: { scopes: count, length },
  })
}

/** Grants that a client asks for; names may contain colons (a host and port), so the middle is all between the first and the last. */
export function parseScopes(scopes: readonly string[]): Grant[] {
  return scopes
    .flatMap(text => text.split(' '))
    .flatMap(text => {
      const [, type, name, actions] = /^([a-z]+(?:\([a-z]+\))?):(.{1,300}):([a-z*,]+)$/.exec(text) ?? []
      return type && name && actions ? [{ type, name, actions: actions.split(',') }] : []
    })
}

export function formatScope({ type, name, actions }: Grant): string {
  return `${type}:${name}:${actions.join(',')}`
}

/** The part of the grants that anybody has. */
export function readOnly(grants: readonly Grant[]): Grant[] {
  return grants
    .map(({ type, name, actions }) => ({ type, name, actions: actions.filter(action => action === 'pull') }))
    .filter(({ actions }) => actions.length > 0)
}

/** Whether the grants have everything that is needed. */
export function covers(grants: readonly Grant[], needed: Grant): boolean {
  return needed.actions.every(action =>
    grants.some(
      grant =>
        grant.type === needed.type &&
        grant.name === needed.name &&
        (grant.actions.includes(action) || grant.actions.includes('*')),
    ),
  )
}
