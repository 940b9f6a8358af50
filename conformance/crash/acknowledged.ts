import { createHash, randomBytes } from 'node:crypto'
import { expect } from 'chai'

export const TOKEN = 'a-token-for-conformance'

/** Artifacts of one blob that the registry has said that it has. */
export class Acknowledged {
  readonly #artifacts = new Map<string, { blob: string; manifest: string }>()
  #pushed = 0

  get size(): number {
    return this.#artifacts.size
  }

  /** One of the manifests. */
  get manifest(): Buffer {
    const [first] = this.#artifacts.values()
    return Buffer.from(first?.manifest ?? '')
  }

  forget(tag: string): void {
    this.#artifacts.delete(tag)
  }

  /** Pushes artifacts of that size until one is refused; answers with what status. */
  async fill(url: string, size: number): Promise<number> {
    return untilRefused(() => this.push(url, size))
  }

  /** Pushes manifests with that much text in them, which need no blob of their own, until one is refused. */
  async fillIndex(url: string, size: number): Promise<number> {
    const [first] = this.#artifacts.values()
    const { blob = '', manifest = '' } = first ?? {}
    return untilRefused(async () => {
      const tag = `v${this.#pushed++}`
      const text = randomBytes(size / 2).toString('hex')
      const larger = JSON.stringify({ ...JSON.parse(manifest), annotations: { text } })
      const { status } = await push(url, 'PUT', `/v2/a/manifests/${tag}`, Buffer.from(larger))
      if (status === 201) this.#artifacts.set(tag, { blob, manifest: larger })
      return status
    })
  }

  /** Pushes an artifact of a blob of that size; the status of what was refused, or 201. */
  async push(url: string, size: number): Promise<number> {
    const bytes = randomBytes(size)
    const digest = digestOf(bytes)
    const tag = `v${this.#pushed++}`
    const manifest = JSON.stringify({
      schemaVersion: 2,
      mediaType: 'application/vnd.oci.image.manifest.v1+json',
      artifactType: 'application/vnd.example',
      config: { mediaType: 'application/vnd.oci.empty.v1+json', digest, size },
      layers: [{ mediaType: 'application/octet-stream', digest, size }],
    })
    for (const [method, path, body] of [
      ['POST', `/v2/a/blobs/uploads/?digest=${digest}`, bytes],
      ['PUT', `/v2/a/manifests/${tag}`, Buffer.from(manifest)],
    ] as const) {
      const response = await push(url, method, path, body)
      await response.arrayBuffer()
      if (response.status !== 201) return response.status
    }
    this.#artifacts.set(tag, { blob: digest, manifest })
    return 201
  }

  /** Reads them all. */
  async check(url: string): Promise<void> {
    for (const [tag, { blob, manifest }] of this.#artifacts) {
      const stored = await fetch(`${url}/v2/a/manifests/${tag}`, {
        headers: { accept: 'application/vnd.oci.image.manifest.v1+json' },
      })
      expect(await stored.text(), tag).to.equal(manifest)
      const bytes = await (await fetch(`${url}/v2/a/blobs/${blob}`)).arrayBuffer()
      expect(digestOf(new Uint8Array(bytes)), tag).to.equal(blob)
    }
  }
}

async function untilRefused(pushOne: () => Promise<number>): Promise<number> {
  for (let i = 0; i < 2000; i++) {
    const status = await pushOne()
    if (status !== 201) return status
  }
  return 201
}

/** A request of somebody who may write. */
export function push(
  url: string,
  method: string,
  path: string,
  body?: Uint8Array | FormData,
): Promise<Response> {
  const type = path.includes('/manifests/') ? 'application/vnd.oci.image.manifest.v1+json' : undefined
  return fetch(url + path, {
    method,
    headers: { authorization: `Bearer ${TOKEN}`, ...(type && { 'content-type': type }) },
    ...(body && { body: body as NonNullable<RequestInit['body']> }),
  })
}

export function digestOf(bytes: Uint8Array): string {
  return `sha256:${createHash('sha256').update(bytes).digest('hex')}`
}
