import { digestOf } from '../../src/oci/digest.ts'

/** What a client gets. */
export interface Answer {
  readonly status: number
  readonly headers: Headers
  readonly bytes: Buffer
  /** Whether the body came to its end; a client takes one that was cut off for nothing. */
  readonly whole: boolean
}

/** The answer, also where its body breaks off; where the connection breaks before its head, with status 0. */
export async function ask(url: string, options: RequestInit = {}): Promise<Answer> {
  const response = await fetch(url, options).catch(orCut)
  if (!response) return { status: 0, headers: new Headers(), bytes: Buffer.alloc(0), whole: false }
  const chunks: Uint8Array[] = []
  let whole = true
  try {
    for await (const chunk of response.body ?? []) chunks.push(chunk)
  } catch {
    whole = false
  }
  return {
    status: response.status,
    headers: response.headers,
    bytes: Buffer.concat(chunks),
    whole,
  }
}

function orCut(error: Error & { cause?: { code?: string } }): undefined {
  if (!['ECONNRESET', 'UND_ERR_SOCKET'].includes(error.cause?.code ?? '')) throw error
}

/** What the answer says, in the form in which a mirror and its upstream say the same. */
export function essenceOf({ status, headers, bytes }: Answer): string {
  const list = /^\{.*"(?:tags|manifests)":\[/s.test(bytes.subarray(0, 1000).toString())
  if (!list) return `${status} ${bytes.length > 0 ? digestOf(bytes) : headers.get('content-length')}`
  const { tags, manifests = [] } = JSON.parse(bytes.toString())
  return `${status} ${tags ?? manifests.map(({ digest }: { digest: string }) => digest)}`
}

/** The one error of an OCI answer. */
export function errorOf({ bytes }: Answer): { code: string; message: string; detail: unknown } {
  return JSON.parse(bytes.toString()).errors[0]
}
