import type { Random } from '../support/random.ts'
import { descriptorOf, imageOf, indexOf } from './documents.ts'
import { Artifact, type Draft } from './kill-artifact.ts'
import { TagSet } from './kill-tags.ts'
import type { Client, World } from './kill-world.ts'
import { type Answer, type Content, contentOf, INDEX, MANIFEST } from './registry-client.ts'

/** Pushes, tags and deletes as oras does: blobs, then a manifest that names them. */
export class PushClient implements Client {
  readonly #world: World
  readonly #name: string
  readonly #tags: readonly TagSet[]
  readonly #acts: readonly (() => Promise<void>)[]
  readonly #artifacts: Artifact[] = []
  #made = 0

  constructor(world: World, name: string) {
    this.#world = world
    this.#name = name
    this.#tags = world.repositories.flatMap(repository =>
      [[`${name}-a`], [`${name}-b`], [`${name}-c`, `${name}-d`]].map(tags => new TagSet(repository, tags)),
    )
    const acts: [number, () => Promise<void>][] = [
      [8, () => this.#pushImage()],
      [2, () => this.#attach()],
      [2, () => this.#pushIndex()],
      [2, () => this.#tagAgain()],
      [4, () => this.#delete()],
      [2, () => this.#deleteTag()],
    ]
    this.#acts = acts.flatMap(([weight, act]) => Array.from({ length: weight }, () => act))
  }

  get #random(): Random {
    return this.#world.random
  }

  get #there(): Artifact[] {
    return this.#artifacts.filter(({ state }) => state === 'there')
  }

  act(): Promise<void> {
    return this.#random.of(this.#acts)()
  }

  /** Digests of the blobs that are needed for what it has pushed. */
  needed(): string[] {
    return this.#there.flatMap(({ draft }) => draft.blobs)
  }

  async check(): Promise<void> {
    for (const tags of this.#tags) await tags.check(this.#world)
    for (const artifact of this.#artifacts) await artifact.check(this.#world)
    const { tally, tags } = this.#world
    for (const set of [...this.#tags, ...tags]) {
      const dangling = this.#artifacts.some(artifact => artifact.has(set) && artifact.state === 'gone')
      tally.check(!dangling, `torn: ${set.repository}:${set.tags} at ${set.value}, which is gone`)
    }
  }

  async #pushImage(subject?: Artifact): Promise<void> {
    const repository = subject?.draft.repository ?? this.#random.of(this.#world.repositories)
    const blobs = Array.from({ length: 1 + this.#random.below(3) }, () => this.#content())
    const began = performance.now()
    for (const blob of blobs) await this.#pushBlob(repository, blob)
    const digests = blobs.map(({ digest }) => digest)
    const draft = { repository, type: MANIFEST, blobs: digests, names: [] }
    if (!subject) return this.#put(draft, imageOf(blobs, this.#label()), began)
    const { digest } = subject.manifest
    const more = { ...this.#label(), subject: descriptorOf(subject.manifest, subject.draft.type) }
    await this.#put({ ...draft, names: [digest], subject: digest }, imageOf(blobs, more), began)
  }

  async #attach(): Promise<void> {
    if (this.#there.length > 0) await this.#pushImage(this.#random.of(this.#there))
  }

  async #pushIndex(): Promise<void> {
    const repository = this.#random.of(this.#world.repositories)
    const children = this.#there.filter(({ draft }) => draft.repository === repository).slice(-3)
    const descriptors = children.map(({ manifest, draft }) => descriptorOf(manifest, draft.type))
    const names = descriptors.map(({ digest }) => digest)
    const document = indexOf(descriptors, this.#label())
    await this.#put({ repository, type: INDEX, blobs: [], names }, document, performance.now())
  }

  /** As clients do: ask, mount, or push in one request or in chunks. */
  async #pushBlob(repository: string, blob: Content): Promise<void> {
    const { registry, tally, blobs } = this.#world
    const since = performance.now()
    const source = this.#there.find(({ draft }) => draft.blobs.includes(blob.digest))
    const way = this.#random.below(5)
    if (way === 0 && (await registry.has(repository, blob.digest))) {
      tally.count('blobs there already')
    } else if (way < 3 && source) {
      const mounted = await registry.mount(repository, blob.digest, source.draft.repository)
      tally.check(mounted, `lost: ${blob.digest} cannot be mounted from ${source.draft.repository}`)
      tally.count('blobs mounted')
    } else {
      const third = Math.ceil(blob.bytes.length / 3)
      const status = await (way === 4
        ? registry.push(repository, blob)
        : registry.pushInSession(repository, blob, third))
      tally.check(status === 201, `failed: pushing ${repository} ${blob.digest} -> ${status}`)
      tally.count('blobs pushed')
    }
    blobs.acknowledge(repository, blob.digest, since)
  }

  /** Under a digest, or under tags that may have been elsewhere. */
  async #put(draft: Draft, document: object, since: number): Promise<void> {
    const { tally, blobs } = this.#world
    const artifact = new Artifact(draft, contentOf(Buffer.from(JSON.stringify(document))))
    const tags = this.#random.oneIn(4) ? undefined : this.#pickTags(draft.repository)
    if (tags && this.#tags.includes(tags)) artifact.changing = [tags]
    this.#artifacts.push(artifact)
    const { status, bytes } = await this.#send(artifact, tags)
    artifact.state = status === 201 ? 'there' : 'gone'
    // Whoever takes longer than the grace period may have to push again.
    const late = bytes.includes('MANIFEST_BLOB_UNKNOWN') && blobs.isLate(since)
    tally.check(status === 201 || late, `failed: PUT ${artifact.manifest.digest} -> ${status} ${bytes}`)
    tally.count('manifests pushed')
  }

  async #tagAgain(): Promise<void> {
    const { tally } = this.#world
    if (this.#there.length === 0) return
    const artifact = this.#random.of(this.#there)
    const { status, bytes } = await this.#send(artifact, this.#pickTags(artifact.draft.repository))
    tally.check(status === 201, `failed: tagging ${artifact.manifest.digest} -> ${status} ${bytes}`)
    tally.count('manifests tagged again')
  }

  async #send(artifact: Artifact, set: TagSet | undefined): Promise<Answer> {
    const { registry, tags } = this.#world
    const { manifest, draft } = artifact
    const { repository, type } = draft
    if (!set) return registry.put(repository, manifest.digest, manifest, type)
    artifact.shared ||= tags.includes(set)
    const write = set.begin(manifest.digest)
    const [tag = ''] = set.tags
    const answer = await (set.tags.length === 1 && !this.#random.oneIn(3)
      ? registry.put(repository, tag, manifest, type)
      : registry.put(repository, manifest.digest, manifest, type, set.tags))
    set.end(write, answer.status === 201)
    return answer
  }

  /** With all its tags. */
  async #delete(): Promise<void> {
    const { registry, tally } = this.#world
    const kept = this.#artifacts.filter(({ state }) => state !== 'gone')
    const named = new Set(kept.flatMap(({ draft }) => draft.names))
    const free = this.#there.filter(({ shared, manifest }) => !shared && !named.has(manifest.digest))
    if (free.length < 3) return
    const artifact = this.#random.of(free)
    artifact.state = 'open'
    artifact.changing = this.#tags.filter(tags => artifact.has(tags))
    const writes = artifact.changing.map(tags => [tags, tags.begin(undefined)] as const)
    const { digest } = artifact.manifest
    const { status } = await registry.delete(artifact.draft.repository, 'manifests', digest)
    tally.check(status === 202, `lost: DELETE ${digest} -> ${status}`)
    for (const [tags, write] of writes) tags.end(write, status === 202)
    artifact.state = 'gone'
    tally.count('manifests deleted')
  }

  async #deleteTag(): Promise<void> {
    const { registry, tally } = this.#world
    const set = this.#random.of(this.#tags)
    const [tag = '', ...more] = set.tags
    if (more.length > 0) return
    const expected = set.value === undefined ? 404 : 202
    const write = set.begin(undefined)
    const { status } = await registry.delete(set.repository, 'manifests', tag)
    set.end(write, status === 202)
    tally.check(status === expected, `lost: DELETE ${set.repository}:${tag} -> ${status}`)
    tally.count('tags deleted')
  }

  #pickTags(repository: string): TagSet {
    const sets = [...this.#tags, ...this.#world.tags]
    return this.#random.of(sets.filter(tags => tags.repository === repository))
  }

  /** No two manifests are the same, so that each has one owner. Long ones can be cut within their row, too. */
  #label(): object {
    const text = this.#random.oneIn(5) ? 'long '.repeat(80_000) : ''
    return { annotations: { made: `${this.#name}/${this.#made++}`, text } }
  }

  /** Mostly what others push too; else something new. */
  #content(): Content {
    if (!this.#random.oneIn(4)) return this.#random.of(this.#world.contents)
    const most = this.#random.oneIn(4) ? 1_500_000 : 80_000
    return contentOf(Buffer.alloc(2 + this.#random.below(most), `${this.#name} ${this.#made++}`))
  }
}
