import { setTimeout as sleep } from 'node:timers/promises'
import { ChaosAgent } from './chaos-agent.ts'
import type { Holding, Readable } from './chaos-ledger.ts'
import type { World } from './chaos-world.ts'
import { imageOf } from './documents.ts'
import { type Answer, type Content, contentOf, MANIFEST } from './registry-client.ts'

/** Artifacts that a client keeps, so that the ledger and the disk stay small however long the run is. */
const KEPT = 10
const CHUNK = 40_000

interface Artifact {
  readonly repository: string
  readonly manifest: Content
  readonly holding: Holding
  /** A request that pushes the manifest again was cut, so it may come back after it was deleted. */
  mayComeBack: boolean
}

/** After a cut request it is never used again, because that request may still come into effect. */
interface Tag {
  readonly name: string
  readonly artifact: Artifact
  readonly holding: Holding
}

/** Pushes, tags and deletes artifacts, and writes into the ledger what was acknowledged. Some of its requests it cuts. */
export class ChaosClient extends ChaosAgent {
  readonly #acts: readonly (() => Promise<void>)[]
  readonly #artifacts: Artifact[] = []
  readonly #tags: Tag[] = []
  #made = 0

  constructor(world: World, name: string) {
    super(world, name)
    const acts: [number, () => Promise<void>][] = [
      [8, () => this.#push()],
      [3, () => this.#tag()],
      [2, () => this.#deleteTag()],
      [5, () => this.#delete()],
      [1, () => this.#leaveUpload()],
    ]
    this.#acts = acts.flatMap(([weight, act]) => Array.from({ length: weight }, () => act))
  }

  async act(): Promise<void> {
    await (this.#artifacts.length >= KEPT ? this.#delete() : this.random.of(this.#acts)())
    await sleep(this.random.below(20))
  }

  /** Pushes an artifact of these blobs, which stays until `clear`; false if it was refused. */
  async push(repository: string, blobs: readonly Content[]): Promise<boolean> {
    const began = performance.now()
    for (const blob of blobs) if (!(await this.#pushBlob(repository, blob))) return false
    // No two manifests are the same, so that each has one owner and never comes back.
    const label = { annotations: { made: `${this.name}/${this.#made++}/${this.random.below(2 ** 31)}` } }
    const manifest = contentOf(Buffer.from(JSON.stringify(imageOf(blobs, label))))
    const path = `/v2/${repository}/manifests/${manifest.digest}`
    const reads: Readable[] = [
      { path, content: manifest },
      ...blobs.map(blob => ({ path: `/v2/${repository}/blobs/${blob.digest}`, content: blob })),
    ]
    const holding = { name: `${repository}@${manifest.digest}`, reads }
    const artifact: Artifact = { repository, manifest, holding, mayComeBack: false }
    const change = await this.#put(artifact, manifest.digest, answer => this.#isLate(answer, began))
    if (change === 'open') this.world.ledger.doubt(path)
    if (change !== 'done') return false
    this.#artifacts.push(artifact)
    this.world.ledger.acknowledge(artifact.holding)
    return true
  }

  /** Deletes everything that it has pushed. */
  async clear(): Promise<void> {
    for (; this.#artifacts.length > 0; await sleep(5)) await this.#delete()
  }

  async #push(): Promise<void> {
    const blobs = Array.from({ length: 1 + this.random.below(3) }, () => this.#content())
    await this.push(this.random.of(this.world.repositories), blobs)
  }

  /** Makes a tag, or moves one, to an artifact of its own. */
  async #tag(): Promise<void> {
    const { ledger } = this.world
    const artifact = this.#artifacts[this.random.below(this.#artifacts.length)]
    if (!artifact) return
    const { repository, manifest } = artifact
    const own = this.#tags.filter(tag => tag.artifact.repository === repository)
    const moved = own.length < 3 ? undefined : this.random.of(own)
    const name = moved?.name ?? `${this.name}-${this.#made++}`
    if (moved) ledger.release(moved.holding)
    const change = await this.#put(artifact, name)
    if (change === 'refused') {
      if (moved) ledger.hold(moved.holding)
      return
    }
    if (moved) this.#tags.splice(this.#tags.indexOf(moved), 1)
    if (change === 'open') artifact.mayComeBack = true
    if (change !== 'done') return
    const path = `/v2/${repository}/manifests/${name}`
    const holding = { name: `${repository}:${name}`, reads: [{ path, content: manifest }] }
    this.#tags.push({ name, artifact, holding })
    ledger.acknowledge(holding)
  }

  async #deleteTag(): Promise<void> {
    const { ledger, judge } = this.world
    const tag = this.#tags[this.random.below(this.#tags.length)]
    if (!tag) return
    const [{ path = '' } = {}] = tag.holding.reads
    ledger.release(tag.holding)
    const change = await judge.change(`DELETE ${path}`, [202], () => this.registry.ask('DELETE', path))
    if (change.outcome === 'refused') return ledger.hold(tag.holding)
    this.#tags.splice(this.#tags.indexOf(tag), 1)
    if (change.outcome === 'done') ledger.remove(path)
  }

  /** With all its tags. */
  async #delete(): Promise<void> {
    const { ledger, judge } = this.world
    const artifact = this.#artifacts[this.random.below(this.#artifacts.length)]
    if (!artifact) return
    const tags = this.#tags.filter(tag => tag.artifact === artifact)
    const holdings = [artifact.holding, ...tags.map(({ holding }) => holding)]
    const [{ path = '' } = {}] = artifact.holding.reads
    for (const holding of holdings) ledger.release(holding)
    const cut = this.#maybeCut()
    const change = await judge.change(`DELETE ${path}`, [202], () => this.registry.ask('DELETE', path), {
      cut,
    })
    if (change.outcome === 'refused') {
      for (const holding of holdings) ledger.hold(holding)
      return
    }
    this.#artifacts.splice(this.#artifacts.indexOf(artifact), 1)
    for (const tag of tags) this.#tags.splice(this.#tags.indexOf(tag), 1)
    if (change.outcome === 'open' || artifact.mayComeBack) return ledger.doubt(path)
    ledger.remove(path)
    for (const { holding } of tags) for (const read of holding.reads) ledger.remove(read.path)
  }

  /** An upload session that is never ended: it expires. */
  async #leaveUpload(): Promise<void> {
    const { judge } = this.world
    const began = performance.now()
    const path = `/v2/${this.random.of(this.world.repositories)}/blobs/uploads/`
    const begun = await judge.change(`POST ${path}`, [202], () => this.registry.ask('POST', path))
    if (begun.outcome !== 'done') return
    await this.#patch(begun.answer, this.#content().bytes, began)
  }

  async #put(
    { repository, manifest }: Artifact,
    reference: string,
    excused: (answer: Answer) => boolean = () => false,
  ): Promise<'done' | 'refused' | 'open'> {
    const what = `PUT ${repository}/manifests/${reference}`
    const send = () => this.registry.put(repository, reference, manifest, MANIFEST)
    const cut = this.#maybeCut()
    return (await this.world.judge.change(what, [201], send, { cut, excused })).outcome
  }

  /** As clients do: ask, mount, or push in one request or in chunks. */
  async #pushBlob(repository: string, blob: Content): Promise<boolean> {
    const { judge } = this.world
    const path = `/v2/${repository}/blobs/${blob.digest}`
    const way = this.random.below(4)
    if (way === 0) {
      const asked = await judge.change(`HEAD ${path}`, [200, 404], () => this.registry.ask('HEAD', path))
      if (asked.outcome === 'done' && asked.answer.status === 200) return true
    }
    const uploads = `/v2/${repository}/blobs/uploads/`
    if (way === 1) {
      const target = `${uploads}?mount=${blob.digest}`
      const begun = await judge.change(`POST ${target}`, [201, 202], () => this.registry.ask('POST', target))
      if (begun.outcome !== 'done' || begun.answer.status === 201) return begun.outcome === 'done'
      return this.#upload(begun.answer, blob)
    }
    if (way === 2) {
      const begun = await judge.change(`POST ${uploads}`, [202], () => this.registry.ask('POST', uploads))
      return begun.outcome === 'done' && this.#upload(begun.answer, blob)
    }
    const target = `${uploads}?digest=${blob.digest}`
    const cut = this.#maybeCut()
    const pushed = await judge.change(
      `POST ${target}`,
      [201],
      () => this.registry.ask('POST', target, blob.bytes),
      { cut },
    )
    return pushed.outcome === 'done'
  }

  /** In chunks, in the session that was begun. */
  async #upload(begun: Answer, { digest, bytes }: Content): Promise<boolean> {
    const { judge } = this.world
    const began = performance.now()
    for (let at = 0; at < bytes.length; at += CHUNK) {
      if (!(await this.#patch(begun, bytes.subarray(at, at + CHUNK), began))) return false
      // A sender that is slow now and then.
      if (this.random.oneIn(10)) await sleep(this.random.below(300))
    }
    const location = new URL(begun.headers.get('location') ?? '', this.registry.url)
    location.searchParams.set('digest', digest)
    const path = `${location.pathname}${location.search}`
    const ended = await judge.change(`PUT ${path}`, [201], () => this.registry.ask('PUT', path), {
      excused: answer => judge.mayHaveExpired(answer, began),
    })
    return ended.outcome === 'done'
  }

  async #patch({ headers }: Answer, bytes: Buffer, began: number): Promise<boolean> {
    const location = headers.get('location') ?? ''
    const send = () => this.registry.ask('PATCH', location, bytes)
    const { judge } = this.world
    const excused = (answer: Answer) => judge.mayHaveExpired(answer, began)
    const change = await judge.change(`PATCH ${location}`, [202], send, { excused })
    return change.outcome === 'done'
  }

  /** A client that takes longer than the grace period may have to push again; a clock step makes it late at once. */
  #isLate({ status, bytes }: Answer, began: number): boolean {
    if (status !== 404 || !bytes.includes('MANIFEST_BLOB_UNKNOWN')) return false
    const late = performance.now() - began >= this.world.grace || this.world.judge.had('clock step', began)
    if (late) this.world.tally.count('manifests later than the grace period')
    return late
  }

  #maybeCut(): boolean {
    const cut = this.random.oneIn(12)
    if (cut) this.registry.cutNext(this.random)
    return cut
  }

  /** Mostly what others push too; else something new. */
  #content(): Content {
    const { contents } = this.world
    if (!this.random.oneIn(4)) return this.random.of(contents)
    const most = this.random.oneIn(6) ? 1_500_000 : 60_000
    return contentOf(Buffer.alloc(2 + this.random.below(most), `${this.name} ${this.random.below(2 ** 31)}`))
  }
}
