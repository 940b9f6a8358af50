import { setImmediate } from 'node:timers/promises'
import { parseObject } from './body.ts'
import type { MemflowUpstream, RemoteBlob, RemoteVariant } from './contract.ts'
import { type Reader, readMetadata, readNames, readVariants } from './memflow-answers.ts'
import type { RemoteRequest } from './request.ts'
import type { UpstreamSettings } from './settings.ts'
import { type Question, type Surroundings, Upstream } from './upstream.ts'

/** Entries that are checked in a millisecond or so. */
const STEP = 1000

/** The most that the REST API gives at a time. */
const PAGE = 50

/** Of one list, all its pages together. */
const MOST_BYTES = 16 * 1024 * 1024

/** A memflow registry by its REST API. */
export class HttpMemflowUpstream implements MemflowUpstream {
  readonly #upstream: Upstream

  constructor(settings: UpstreamSettings, surroundings?: Surroundings) {
    this.#upstream = new Upstream(settings, surroundings)
  }

  get name(): string {
    return this.#upstream.name
  }

  async names(): Promise<{ name: string; description: string }[]> {
    return (await this.#get({ kind: 'list', place: '', path: '/plugins' }, readNames)).answer.plugins
  }

  async variants(name: string): Promise<RemoteVariant[]> {
    // As a part of a path these mean something else, however they are encoded.
    if (/^\.{0,2}$/.test(name)) return []
    const path = `/plugins/${encodeURIComponent(name)}`
    // One that is published meanwhile moves the others on, and some come twice.
    const found = new Map<string, RemoteVariant>()
    let left = MOST_BYTES
    const checkTime = this.#upstream.walk()
    for (let skip = 0; ; skip += PAGE) {
      const topic = { kind: 'list', place: name } as const
      const page = await this.#get(
        { ...topic, path: `${path}?skip=${skip}&limit=${PAGE}` },
        readVariants,
        left,
      )
      const { plugins } = page.answer
      const known = found.size
      for (const variant of plugins) found.set(JSON.stringify(variant), variant)
      if (plugins.some(({ descriptor }) => descriptor.name !== name)) {
        throw page.request.refusal('the answer has plugins of another name')
      }
      if (plugins.length < PAGE) return [...found.values()]
      if (found.size === known) throw page.request.refusal('one page of its list is like the other')
      checkTime(page.request)
      left -= page.size
    }
  }

  async metadata(digest: string) {
    const path = `${filePath(digest)}/metadata`
    const { request, answer } = await this.#get({ kind: 'metadata', place: digest, path }, readMetadata)
    if (answer.digest === digest) return answer
    throw request.refusal('the answer is about another file')
  }

  async stat(digest: string): Promise<number | undefined> {
    return await this.#upstream.size(fileOf(digest))
  }

  async file(digest: string, start = 0): Promise<RemoteBlob> {
    return await this.#upstream.blob(fileOf(digest), start)
  }

  async close(): Promise<void> {
    await this.#upstream.close()
  }

  async #get<T>(
    question: Omit<Question, 'scope'>,
    read: Reader<T>,
    max = MOST_BYTES,
  ): Promise<{ request: RemoteRequest; answer: T; size: number }> {
    const { request, bytes } = await this.#upstream.document({ ...question, scope: '' }, max)
    const object = await parseObject(request, bytes, this.#upstream.documents)
    try {
      return { request, answer: await readInTurns(object, read), size: bytes.length }
    } catch (error) {
      if (error instanceof SyntaxError) throw request.refusal(error.message, error)
      throw error
    }
  }
}

function filePath(digest: string): string {
  return `/files/${encodeURIComponent(digest)}`
}

/** Checks a long list in steps; other work of the event loop is done between them. */
async function readInTurns<T>(object: Record<string, unknown>, read: Reader<T>): Promise<T> {
  const { plugins } = object
  if (!Array.isArray(plugins) || plugins.length <= STEP) return read(object, '')
  const checked: unknown[] = []
  for (let at = 0; at < plugins.length; at += STEP) {
    const part = read({ ...object, plugins: plugins.slice(at, at + STEP) }, '') as { plugins: unknown[] }
    checked.push(...part.plugins)
    await setImmediate()
  }
  return { plugins: checked } as T
}

function fileOf(digest: string): Question {
  return { kind: 'blob', place: digest, path: filePath(digest), scope: '' }
}
