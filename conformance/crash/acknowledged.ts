import { randomBytes } from 'node:crypto'
import { expect } from 'chai'
import { imageOf } from './documents.ts'
import { type Content, contentOf, MANIFEST, type RegistryClient } from './registry-client.ts'

/** Artifacts of one blob that the registry has said that it has. */
export class Acknowledged {
  readonly #artifacts = new Map<string, { blob: Content; manifest: Content }>()
  #pushed = 0

  get size(): number {
    return this.#artifacts.size
  }

  /** One of the manifests. */
  get manifest(): Content {
    return this.#first.manifest
  }

  forget(tag: string): void {
    this.#artifacts.delete(tag)
  }

  /** Pushes artifacts of that size until one is refused; answers with what status. */
  async fill(registry: RegistryClient, size: number): Promise<number> {
    return untilRefused(() => this.push(registry, size))
  }

  /** Pushes manifests with that much text in them, which need no blob of their own, until one is refused. */
  async fillIndex(registry: RegistryClient, size: number): Promise<number> {
    return untilRefused(() => this.pushText(registry, size))
  }

  /** Pushes one of them; the status. */
  pushText(registry: RegistryClient, size: number): Promise<number> {
    const text = randomBytes(size / 2).toString('hex')
    return this.#put(registry, this.#first.blob, { annotations: { text } })
  }

  /** Pushes an artifact of a blob of that size; the status of what was refused, or 201. */
  async push(registry: RegistryClient, size: number): Promise<number> {
    const blob = contentOf(randomBytes(size))
    const status = await registry.push('a', blob)
    return status === 201 ? this.#put(registry, blob, {}) : status
  }

  /** Reads them all. */
  async check(registry: RegistryClient): Promise<void> {
    for (const [tag, { blob, manifest }] of this.#artifacts) {
      expect(await registry.fault(`/v2/a/manifests/${tag}`, manifest.digest), tag).to.equal(undefined)
      expect(await registry.fault(`/v2/a/blobs/${blob.digest}`, blob.digest), tag).to.equal(undefined)
    }
  }

  get #first() {
    for (const first of this.#artifacts.values()) return first
    throw new Error('nothing was pushed')
  }

  async #put(registry: RegistryClient, blob: Content, more: object): Promise<number> {
    const manifest = contentOf(Buffer.from(JSON.stringify(imageOf([blob, blob], more))))
    const tag = `v${this.#pushed++}`
    const { status } = await registry.put('a', tag, manifest, MANIFEST)
    if (status === 201) this.#artifacts.set(tag, { blob, manifest })
    return status
  }
}

async function untilRefused(pushOne: () => Promise<number>): Promise<number> {
  for (let i = 0; i < 2000; i++) {
    const status = await pushOne()
    if (status !== 201) return status
  }
  return 201
}
