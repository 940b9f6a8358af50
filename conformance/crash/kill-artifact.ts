import type { TagSet } from './kill-tags.ts'
import type { State, World } from './kill-world.ts'
import type { Content } from './registry-client.ts'

/** A manifest as it is pushed. */
export interface Draft {
  readonly repository: string
  readonly type: string
  /** Digests. */
  readonly blobs: readonly string[]
  /** Digests of manifests, which are not deleted before this one. */
  readonly names: readonly string[]
  readonly subject?: string
}

/** A manifest that one client has pushed. */
export class Artifact {
  readonly draft: Draft
  readonly manifest: Content
  state: State = 'open'
  /** The tags that change in the request that is open. */
  changing: readonly TagSet[] = []
  /** Whether it has, or had, a tag that others move. */
  shared = false

  constructor(draft: Draft, manifest: Content) {
    this.draft = draft
    this.manifest = manifest
  }

  has(tags: TagSet): boolean {
    return tags.repository === this.draft.repository && tags.value === this.manifest.digest
  }

  /** Once the tags were checked. */
  async check({ registry, tally, blobs }: World): Promise<void> {
    const { repository, subject } = this.draft
    const { digest } = this.manifest
    const { status, bytes } = await registry.get(`/v2/${repository}/manifests/${digest}`)
    const there = status === 200
    const what = `${repository} ${digest}, which is ${status}`
    tally.check(there || status === 404, `failed: ${what}: ${bytes}`)
    tally.check(!there || bytes.equals(this.manifest.bytes), `corrupt: ${what}`)
    if (this.state === 'open') {
      const apart = this.changing.filter(tags => this.has(tags) !== there)
      tally.check(
        apart.length === 0,
        `torn: ${what}, from ${apart.map(({ tags, value }) => `${tags} at ${value}`)}`,
      )
      tally.count(`cut requests for a manifest: ${there ? 'there' : 'not there'}`)
    } else {
      tally.check(there === (this.state === 'there'), `lost: ${what}, not ${this.state}`)
    }
    this.state = there ? 'there' : 'gone'
    tally.count('checks of manifests')
    if (there) await blobs.checkNeeded(registry, repository, this.draft.blobs, digest)
    if (!subject) return
    const referrers = await registry.get(`/v2/${repository}/referrers/${subject}`)
    tally.check(referrers.bytes.includes(digest) === there, `torn: ${what}, from the referrers of ${subject}`)
  }
}
