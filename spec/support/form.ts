/** A part of a form, to the byte. */
export interface Part {
  /** Without: the part has no Content-Disposition. */
  readonly disposition?: string
  readonly headers?: readonly string[]
  readonly content: string | Uint8Array
}

export interface Form {
  readonly headers: { readonly 'content-type': string }
  readonly body: Buffer
}

const BOUNDARY = '------------------------7d9a2f31c0b4e586'

/** The `file` part as `curl -F file=@…` writes it. */
export function filePart(content: string | Uint8Array): Part {
  return {
    disposition: 'form-data; name="file"; filename="libmemflow.so"',
    headers: ['Content-Type: application/octet-stream'],
    content,
  }
}

export function fieldPart(name: string, content: string): Part {
  return { disposition: `form-data; name="${name}"`, content }
}

/** multipart/form-data, RFC 7578. */
export function form(...parts: readonly Part[]): Form {
  return {
    headers: { 'content-type': `multipart/form-data; boundary=${BOUNDARY}` },
    body: Buffer.concat([...parts.map(bytesOf), Buffer.from(`--${BOUNDARY}--\r\n`)]),
  }
}

/** What `curl -F file=@… -F signature=…` sends. */
export function upload(file: string | Uint8Array, signature: string): Form {
  return form(filePart(file), fieldPart('signature', signature))
}

/** The form with nothing behind its first `length` bytes, counted from the end where negative. */
export function cut({ headers, body }: Form, length: number): Form {
  return { headers, body: body.subarray(0, length) }
}

function bytesOf({ disposition, headers = [], content }: Part): Buffer {
  const lines = [
    `--${BOUNDARY}`,
    ...(disposition === undefined ? [] : [`Content-Disposition: ${disposition}`]),
    ...headers,
    '',
    '',
  ]
  return Buffer.concat([Buffer.from(lines.join('\r\n')), Buffer.from(content as string), Buffer.from('\r\n')])
}
