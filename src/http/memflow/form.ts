import { once } from 'node:events'
import { pipeline } from 'node:stream/promises'
import { Busboy, type BusboyFileStream, type BusboyHeaders } from '@fastify/busboy'
import type { Context } from 'koa'
import { limited } from '../../lib/limited.ts'
import { RegistryError } from '../../oci/errors.ts'
import { isBinary } from '../../plugin/analyze.ts'
import type { Upload } from '../../store/contract.ts'
import { bodyOf, declaredLength } from '../body.ts'

/** The parts of the form that came. */
export interface PluginForm {
  readonly file: Upload | undefined
  readonly signature: string | undefined
}

/** A signature has a hundred and fifty characters; whatever is longer is cut, and is none. */
const MAX_FIELD = 4096

/** A form has two parts; those without a name are skipped, but each of them costs time. */
const MAX_PARTS = 1000

/**
 * Reads the form of POST /files; the file goes to `stage` while it arrives. Of a repeated field the last counts.
 * Throws `PLUGIN_TOO_LARGE` past `max` bytes in all, `BAD_REQUEST` in the words of the original; nothing stays staged then.
 */
export async function readForm(
  ctx: Context,
  max: number,
  stage: (body: AsyncIterable<Uint8Array>) => Promise<Upload>,
): Promise<PluginForm> {
  const tooLarge = () =>
    new RegistryError('PLUGIN_TOO_LARGE', {
      message: `the request is larger than the ${max} bytes that a plugin may have here`,
    })
  const form = parserOf(ctx)
  if ((declaredLength(ctx) ?? 0) > max) throw tooLarge()
  let file: Upload | undefined
  let signature: string | undefined
  let open: BusboyFileStream | undefined
  let staging: Promise<void> = Promise.resolve()
  // Parts are judged in their order, though the next may be here before the file is looked at.
  const then = (step: () => Promise<void>) => {
    staging = staging.then(step)
    staging.catch(error => form.destroy(error))
  }
  form.on('file', (_name, stream, filename) => {
    // What ends a part early ends the form, and is told there; also where the part has no reader yet.
    stream.on('error', () => {})
    open = stream
    then(async () => {
      await file?.abort()
      file = await stage(checked(stream, filename !== undefined))
    })
  })
  form.on('field', (name, value) => {
    if (name === 'signature') signature = value
    else if (name !== undefined) then(async () => Promise.reject(bad('unexpected field in multipart form')))
  })
  form.on('filesLimit', () => form.destroy(bad('the form has too many files')))
  form.on('partsLimit', () => form.destroy(bad(`the form has more than ${MAX_PARTS} parts`)))
  try {
    const fed = pipeline(limited(bodyOf(ctx), max, tooLarge), form)
    // Newer Node.js ends a pipeline that has failed only when its source has given once more.
    await Promise.race([fed, once(form, 'close')])
    await staging
    return { file, signature }
  } catch (error) {
    open?.destroy(error as Error)
    await staging.catch(() => {})
    await file?.abort()
    throw error instanceof RegistryError || ctx.req.socket.destroyed ? error : malformed(error)
  }
}

function parserOf(ctx: Context) {
  const type = ctx.req.headers['content-type'] ?? ''
  const boundary = () => bad('Invalid `boundary` for `multipart/form-data` request')
  if (!/^multipart\/form-data\s*;/i.test(type)) throw boundary()
  try {
    return new Busboy({
      headers: ctx.req.headers as BusboyHeaders,
      // By its name alone: curl gives the file a name or none, as the user asks.
      isPartAFile: name => name === 'file',
      limits: { fieldSize: MAX_FIELD, files: 100, parts: MAX_PARTS, headerPairs: 100, headerSize: 16 * 1024 },
    })
  } catch {
    throw boundary()
  }
}

/** Looks at the first bytes, so that what is no binary at all is refused before the rest has come. */
async function* checked(file: AsyncIterable<Buffer>, hasName: boolean): AsyncIterable<Buffer> {
  let head: Buffer | undefined = Buffer.alloc(0)
  for await (const chunk of file) {
    if (head) {
      head = Buffer.concat([head, chunk])
      if (head.length > 4) {
        if (!isBinary(head)) throw notBinary(hasName)
        head = undefined
      }
    }
    yield chunk
  }
  // The name of a file may be shorter than any binary.
  if (head && head.length > 0 && !hasName) throw notBinary(hasName)
}

/** curl sends a text without a file name if the @ is missing. */
function notBinary(hasName: boolean): RegistryError {
  const hint = '; the form has a text in the place of the file: with curl, write -F file=@PATH, with an @'
  return bad(`inventory: not supported${hasName ? '' : hint}`)
}

function bad(message: string): RegistryError {
  return new RegistryError('BAD_REQUEST', { message })
}

function malformed(cause: unknown): RegistryError {
  return new RegistryError('BAD_REQUEST', { message: 'Error parsing `multipart/form-data` request', cause })
}
