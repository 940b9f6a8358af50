import { setTimeout as sleep } from 'node:timers/promises'
import { type Digest, parseDigest } from '../oci/digest.ts'
import { parseLenientManifest } from '../oci/lenient-manifest.ts'
import type { Manifest } from '../oci/manifest.ts'
import { MANIFEST_KINDS } from '../oci/media-types.ts'

/** How long what has come may take until it is kept, and how often that is looked at; in milliseconds. */
const KEEPING = 30_000
const LOOK_EVERY = 50

/** An answer that asks to come back within so many seconds is followed so often. */
const LONGEST_WAIT_S = 10
const MAX_WAITS = 10

const ACCEPT = Object.keys(MANIFEST_KINDS).join(', ')

/** A registry that is asked to bring things here. All methods throw errors that say in words why it does not. */
export class RegistryClient {
  readonly #url: string
  readonly #signal: AbortSignal

  constructor(url: string, signal: AbortSignal) {
    this.#url = url
    this.#signal = signal
  }

  /** Of all pages. */
  async tags(repository: string): Promise<string[]> {
    const tags = await this.#pages<{ tags: string[] | null }>(`/v2/${repository}/tags/list?n=1000`)
    return tags.flatMap(page => page.tags ?? [])
  }

  async manifest(repository: string, reference: string): Promise<{ digest: Digest; manifest: Manifest }> {
    const { headers, bytes } = await this.#get(`/v2/${repository}/manifests/${reference}`)
    const manifest = parseLenientManifest(bytes, headers.get('content-type') ?? undefined)
    return { digest: parseDigest(headers.get('docker-content-digest') ?? ''), manifest }
  }

  /** The manifests that are attached to one, and why the list of them is not whole. */
  async referrers(
    repository: string,
    subject: string,
  ): Promise<{ digests: string[]; fault: string | undefined }> {
    const path = `/v2/${repository}/referrers/${subject}`
    let fault: string | undefined
    const lists = await this.#pages<{ manifests: { digest: string }[] }>(path, warning => {
      fault = warning
    })
    return { digests: lists.flatMap(({ manifests }) => manifests.map(({ digest }) => digest)), fault }
  }

  /**
   * Has the content under that path brought here, and waits until it is kept; `onBytes` hears of what comes.
   * Answers its size in bytes, and whether it was here before.
   */
  async bring(path: string, onBytes: (bytes: number) => void): Promise<{ size: number; wasHere: boolean }> {
    const here = await this.#sizeHere(path)
    if (here !== undefined) return { size: here, wasHere: true }
    let size = 0
    const { body } = await this.#ask(path)
    try {
      for await (const chunk of body ?? []) {
        size += chunk.length
        onBytes(chunk.length)
      }
    } catch (cause) {
      this.#signal.throwIfAborted()
      throw new Error('the transfer broke off', { cause })
    }
    // The last byte comes when all were verified, and what came is kept after that.
    const late = performance.now() + KEEPING
    while ((await this.#sizeHere(path)) === undefined) {
      if (performance.now() > late)
        throw new Error(
          'it came and was not kept: MEMFLOW_MIRROR_MAX_SIZE has no room for it, or the log of the registry says why',
        )
      await sleep(LOOK_EVERY, undefined, { signal: this.#signal })
    }
    return { size, wasHere: false }
  }

  async #sizeHere(path: string): Promise<number | undefined> {
    const { ok, headers } = await this.#send(path, {
      method: 'HEAD',
      headers: { 'cache-control': 'only-if-cached' },
    })
    return ok ? Number(headers.get('content-length')) : undefined
  }

  async #pages<Page>(path: string, onWarning?: (warning: string) => void): Promise<Page[]> {
    const pages: Page[] = []
    for (let next: string | undefined = path; next !== undefined; ) {
      const { headers, bytes } = await this.#get(next, onWarning)
      pages.push(JSON.parse(bytes.toString()) as Page)
      next = /^<(.+)>; rel="next"$/.exec(headers.get('link') ?? '')?.[1]
    }
    return pages
  }

  /** What is kept is no answer where the upstream was to be asked. Without `onWarning` nothing with a warning is. */
  async #get(
    path: string,
    onWarning?: (warning: string) => void,
  ): Promise<{ headers: Headers; bytes: Buffer }> {
    const response = await this.#ask(path)
    const bytes = Buffer.from(await response.arrayBuffer())
    const [, kept, warning] =
      /^299 - "(this is what was kept: )?(.*)"$/.exec(response.headers.get('warning') ?? '') ?? []
    if (warning !== undefined && (kept || !onWarning)) throw new Error(warning)
    if (warning !== undefined) onWarning?.(warning)
    return { headers: response.headers, bytes }
  }

  async #ask(path: string): Promise<Response> {
    // What is kept is no answer as long as the upstream may give one.
    const headers = { accept: ACCEPT, 'cache-control': 'no-cache' }
    const response = await this.#admitted(path, { headers })
    if (response.ok) return response
    const text = await response.text()
    throw new Error(messageIn(text) || text || `it answers ${response.status}`)
  }

  /** The answer, as soon as the registry takes requests of this client again. */
  async #admitted(path: string, request: RequestInit): Promise<Response> {
    for (let waits = 0; ; waits++) {
      const response = await this.#send(path, request)
      const wait = Number(response.headers.get('retry-after') ?? Number.NaN)
      if (response.status !== 429 || !(wait <= LONGEST_WAIT_S) || waits === MAX_WAITS) return response
      await response.body?.cancel()
      await sleep(wait * 1000, undefined, { signal: this.#signal })
    }
  }

  async #send(path: string, request: RequestInit): Promise<Response> {
    try {
      return await fetch(this.#url + path, { ...request, signal: this.#signal })
    } catch (cause) {
      this.#signal.throwIfAborted()
      throw new Error(`the registry at ${this.#url} does not answer`, { cause })
    }
  }
}

/** In the form of the distribution-spec. */
function messageIn(text: string): string | undefined {
  try {
    return (JSON.parse(text) as { errors?: { message?: string }[] }).errors?.[0]?.message
  } catch {
    return undefined
  }
}
