import type { Context } from 'koa'
import { RegistryError } from '../../oci/errors.ts'

const UTF8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/**
 * The part of the path behind `/plugins/` or `/files/` as the original reads it: decoded once, an escape that is none
 * taken as it stands. The router cannot tell the two apart. Throws `BAD_REQUEST` in the original's words.
 */
export function pathPart(ctx: Context, name: 'plugin_name' | 'digest'): string {
  const [, , part = ''] = ctx.path.split('/')
  const bytes = part.replace(/%([0-9a-f]{2})/gi, (_, hex) => String.fromCharCode(Number.parseInt(hex, 16)))
  try {
    return UTF8.decode(Buffer.from(bytes, 'latin1'))
  } catch {
    throw new RegistryError('BAD_REQUEST', { message: `Invalid URL: Invalid UTF-8 in \`${name}\`` })
  }
}
