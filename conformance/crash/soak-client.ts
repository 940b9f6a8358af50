import { setTimeout as sleep } from 'node:timers/promises'
import type { Random } from '../support/random.ts'
import { descriptorOf, imageOf, indexOf } from './documents.ts'
import { type Content, contentOf, INDEX, MANIFEST, type RegistryClient } from './registry-client.ts'
import type { Tally } from './tally.ts'

/** What a client has pushed and not deleted. */
export interface Artifact {
  readonly repository: string
  readonly manifest: Content
  readonly type: string
  readonly blobs: readonly Content[]
  /** Digests of what this one names: it is deleted before them. */
  readonly names: readonly string[]
}

export interface World {
  readonly registry: RegistryClient
  readonly tally: Tally
  /** Milliseconds. */
  readonly grace: number
  readonly repositories: readonly string[]
  /** What all clients push again and again. */
  readonly contents: readonly Content[]
  readonly random: Random
}

/** One client: it pushes, pulls, attaches and deletes at random, and knows what must be there. */
export class SoakClient {
  readonly artifacts: Artifact[] = []
  readonly #world: World
  readonly #name: string
  #made = 0

  constructor(world: World, name: string) {
    this.#world = world
    this.#name = name
  }

  async live(until: number): Promise<void> {
    const acts: [number, () => Promise<void>][] = [
      [8, () => this.#push()],
      [6, () => this.#pull()],
      [6, () => this.#delete()],
      [2, () => this.#attach()],
      [1, () => this.#index()],
      [2, () => this.#leaveBlob()],
      [1, () => this.#leaveUpload()],
      [2, () => this.#takeBack()],
    ]
    const drawn = acts.flatMap(([weight, act]) => Array.from({ length: weight }, () => act))
    while (Date.now() < until) await this.#pick(drawn)()
  }

  /** Pulls all that it has pushed. */
  async check(): Promise<void> {
    for (const artifact of this.artifacts) await this.#pullOne(artifact)
  }

  /** Deletes artifacts until so many are left. */
  async shrink(left: number): Promise<void> {
    while (this.artifacts.length > left) await this.#deleteOne()
  }

  async #push(): Promise<void> {
    const repository = this.#pick(this.#world.repositories)
    const blobs = Array.from({ length: 1 + this.#below(3) }, () => this.#content())
    const began = await this.#pushBlobs(repository, blobs)
    // A client as slow as the grace period was made for.
    if (this.#below(8) === 0) await sleep(this.#world.grace * 0.85)
    await this.#put(repository, blobs, imageOf(blobs, this.#label()), MANIFEST, began)
  }

  async #attach(): Promise<void> {
    const subject = this.#pick(this.artifacts)
    if (!subject) return
    const { repository, manifest } = subject
    const blobs = [this.#content()]
    const began = await this.#pushBlobs(repository, blobs)
    const document = imageOf(blobs, {
      ...this.#label(),
      subject: descriptorOf(manifest, subject.type),
    })
    const put = await this.#put(repository, blobs, document, MANIFEST, began, [manifest.digest])
    if (!put) return
    const list = await this.#world.registry.get(`/v2/${repository}/referrers/${manifest.digest}`)
    this.#world.tally.check(list.bytes.includes(put.digest), `${put.digest} is not among the referrers`)
  }

  async #index(): Promise<void> {
    const first = this.#pick(this.artifacts)
    const children = this.artifacts.filter(({ repository }) => repository === first?.repository).slice(0, 3)
    if (!first || children.length === 0) return
    const descriptors = children.map(({ manifest, type }) => descriptorOf(manifest, type))
    const document = indexOf(descriptors, this.#label())
    const names = children.map(({ manifest }) => manifest.digest)
    await this.#put(first.repository, [], document, INDEX, Date.now(), names)
  }

  async #pull(): Promise<void> {
    const artifact = this.#pick(this.artifacts)
    if (artifact) await this.#pullOne(artifact)
  }

  async #pullOne({ repository, manifest, blobs }: Artifact): Promise<void> {
    const { registry, tally } = this.#world
    const paths = [[`manifests/${manifest.digest}`, manifest.digest] as const]
    const wanted = [...paths, ...blobs.map(({ digest }) => [`blobs/${digest}`, digest] as const)]
    for (const [path, digest] of wanted) {
      const fault = await registry.fault(`/v2/${repository}/${path}`, digest)
      tally.check(!fault, `dangling: ${fault}`)
    }
    tally.count('artifacts pulled')
  }

  async #delete(): Promise<void> {
    if (this.artifacts.length > 5) await this.#deleteOne()
  }

  async #deleteOne(): Promise<void> {
    const named = new Set(this.artifacts.flatMap(({ names }) => names))
    const free = this.artifacts.filter(({ manifest }) => !named.has(manifest.digest))
    const artifact = this.#pick(free)
    if (!artifact) return
    const { repository, manifest } = artifact
    const { status } = await this.#world.registry.delete(repository, 'manifests', manifest.digest)
    this.#world.tally.check(status === 202, `DELETE ${repository} ${manifest.digest} -> ${status}`)
    this.#world.tally.count('manifests deleted')
    this.artifacts.splice(this.artifacts.indexOf(artifact), 1)
  }

  /** Pushes a blob and never a manifest. */
  async #leaveBlob(): Promise<void> {
    await this.#pushBlobs(this.#pick(this.#world.repositories), [this.#content()])
    this.#world.tally.count('blobs left without a manifest')
  }

  async #leaveUpload(): Promise<void> {
    const { registry, tally } = this.#world
    const path = `/v2/${this.#pick(this.#world.repositories)}/blobs/uploads/`
    const { headers } = await registry.ask('POST', path)
    await registry.ask('PATCH', headers.get('location') ?? '', this.#content().bytes)
    tally.count('uploads abandoned')
  }

  /** In a repository of its own, where no manifest needs the blob. */
  async #takeBack(): Promise<void> {
    const { registry, tally } = this.#world
    const content = this.#content()
    const repository = `own/${this.#name}`
    await this.#pushBlobs(repository, [content])
    const { status } = await registry.delete(repository, 'blobs', content.digest)
    tally.check(status === 202, `DELETE ${repository} ${content.digest} -> ${status}`)
    tally.count('blobs taken back')
  }

  /** As clients do: ask first, then mount, then push. Answers when it began. */
  async #pushBlobs(repository: string, blobs: readonly Content[]): Promise<number> {
    const { registry, tally } = this.#world
    const began = Date.now()
    for (const blob of blobs) {
      if (await registry.has(repository, blob.digest)) {
        tally.count('blobs there already')
      } else if (this.#below(3) === 0 && (await registry.mount(repository, blob.digest))) {
        tally.count('blobs mounted')
      } else {
        const inSession = this.#below(2) === 0
        const status = await (inSession
          ? registry.pushInSession(repository, blob)
          : registry.push(repository, blob))
        tally.check(status === 201, `pushing ${repository} ${blob.digest} -> ${status}`)
        tally.count('blobs pushed')
      }
    }
    return began
  }

  async #put(
    repository: string,
    blobs: readonly Content[],
    document: object,
    type: string,
    began: number,
    names: readonly string[] = [],
  ): Promise<Content | undefined> {
    const { registry, tally, grace } = this.#world
    const manifest = contentOf(Buffer.from(JSON.stringify(document)))
    const reference = this.#below(2) === 0 ? `${this.#name}-${this.#below(5)}` : manifest.digest
    const { status, bytes } = await registry.put(repository, reference, manifest, type)
    if (status !== 201) {
      // Whoever takes longer than the grace period may have to push again.
      const late = bytes.includes('MANIFEST_BLOB_UNKNOWN') && Date.now() - began >= grace
      if (late) tally.count('manifests too late')
      else tally.check(false, `PUT ${repository}/${reference} -> ${status} ${bytes.toString().slice(0, 300)}`)
      return undefined
    }
    tally.check(true, '')
    tally.count('manifests pushed')
    this.artifacts.push({ repository, manifest, type, blobs, names })
    return manifest
  }

  /** No two manifests are the same, so that each has one owner. */
  #label(): object {
    return { annotations: { made: `${this.#name}/${this.#made++}` } }
  }

  /** Mostly what others push too; else something new. */
  #content(): Content {
    const { contents, random } = this.#world
    if (!random.oneIn(5)) return this.#pick(contents)
    return contentOf(Buffer.alloc(1 + this.#below(50_000), `${this.#name} ${this.#below(2 ** 31)}`))
  }

  #below(n: number): number {
    return this.#world.random.below(n)
  }

  #pick<T>(list: readonly T[]): T {
    return list[this.#below(list.length)] as T
  }
}
