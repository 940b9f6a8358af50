import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { expect } from 'chai'
import { type Image, keyOf } from '../../spec/support/medium.ts'
import { refusal } from '../../spec/support/refusal.ts'
import { type CoreRegistry, once, repo } from '../../spec/support/registry.ts'
import type { Survivor } from '../../spec/support/survivor.ts'
import { type Digest, digestOf } from '../../src/oci/digest.ts'
import { type LevelCopy, restoreLevel } from './level-copy.ts'
import { expectRight, expectWhole } from './promises.ts'
import type { Moment, Recording } from './recording.ts'
import { openStorage, recoverStorage } from './storage.ts'
import type { Step } from './whole-push.ts'

/** An upload of which a part was sent. */
export interface OpenUpload {
  readonly repository: string
  readonly session: string
  /** All of it. */
  readonly bytes: Buffer
}

export async function beginUpload(
  { uploads }: CoreRegistry,
  repository: string,
  bytes: Buffer,
): Promise<OpenUpload> {
  const session = await uploads.begin(repo(repository))
  await uploads.append(repo(repository), session, { body: once(bytes.subarray(0, bytes.length >> 1)) })
  return { repository, session, bytes }
}

/** Opens a registry on all that a power loss may leave, and sees what it has. */
export class Survival {
  readonly #survivor: Survivor
  readonly #recording: Recording
  readonly #upload: OpenUpload | undefined
  readonly #seen = new Set<string>()

  constructor(survivor: Survivor, recording: Recording, upload?: OpenUpload) {
    this.#survivor = survivor
    this.#recording = recording
    this.#upload = upload
  }

  /** How many registries were opened. */
  get count(): number {
    return this.#seen.size
  }

  /** The power fails at that moment; `interrupted` is what was under way, and is done again. */
  async expectAt(moment: Moment, interrupted: Step): Promise<void> {
    const { now, synced } = moment.level
    // Each once, by the first of its names.
    const copies = new Map([
      [now, 'as it is'],
      ...(
        [
          [undefined, 'lost'],
          [torn(now), 'torn'],
          [synced, 'as it was synced'],
        ] as const
      ).filter(([copy]) => copy !== now),
    ])
    for (const { key, model, image } of moment.left) {
      const unstaged = keyOf(withoutStaged(image))
      for (const [copy, state] of copies) {
        // What is staged and what LevelDB has do not touch each other.
        const point = [copy === now ? key : unstaged, state, moment.made, moment.begun].join()
        if (this.#seen.has(point)) continue
        this.#seen.add(point)
        await this.#expect(moment, image, copy, interrupted).catch(error => {
          error.message = `power loss behind ${moment.call} of ${interrupted.name}, ${model}, LevelDB ${state}: ${error.message}`
          throw error
        })
      }
    }
  }

  async #expect(moment: Moment, image: Image, copy: LevelCopy | undefined, again: Step): Promise<void> {
    const { root, fs } = this.#survivor
    await this.#survivor.become(image)
    await restoreLevel(join(root, 'index'), copy)
    const registry = await (copy ? openStorage : recoverStorage)(root, { fs })
    try {
      const { changes } = this.#recording.ledger
      const states = [changes.slice(0, moment.begun), changes.slice(0, moment.made)]
      await this.#recording.ledger.expectOneOf(states, registry.index)
      if (this.#upload) await goOn(registry, this.#upload)
      await writeToStaged(registry, image)
      await expectWhole(registry)
      for (const digest of blobsOf(image)) await expectRight(registry.store, digest)
      await registry.collector.check()
      await again.run(registry)
      await expectWhole(registry)
      await registry.store.expireUploads(new Date(Date.now() + 60_000))
      expect(await readdir(join(root, 'uploads')), 'staged').to.deep.equal([])
    } finally {
      await registry.close()
    }
  }
}

function withoutStaged({ folders, files }: Image): Image {
  return { folders, files: new Map([...files].filter(([path]) => !path.startsWith('uploads/'))) }
}

/** LevelDB's log without its second half. */
function torn(copy: LevelCopy | undefined): LevelCopy | undefined {
  if (!copy) return undefined
  const half = (name: string, bytes: Buffer) =>
    /\d\.log$/.test(name) ? bytes.subarray(0, bytes.length >> 1) : bytes
  return new Map([...copy].map(([name, bytes]) => [name, half(name, bytes)]))
}

/** The client asks how much there is, and sends the rest: it ends well, or is told that its bytes were lost. */
async function goOn({ uploads }: CoreRegistry, { repository, session, bytes }: OpenUpload): Promise<void> {
  const at = await uploads.size(repo(repository), session).catch(() => undefined)
  if (at === undefined) return
  const last = { body: once(bytes.subarray(at)), at }
  const outcome = await refusal(uploads.finish(repo(repository), session, last, digestOf(bytes)))
  expect(outcome, 'an upload that goes on').to.be.oneOf(['nothing: it went well', 'DIGEST_INVALID'])
}

/** Staged names may be those of blobs as well. */
async function writeToStaged({ store }: CoreRegistry, image: Image): Promise<void> {
  for (const path of image.files.keys()) {
    if (!path.startsWith('uploads/')) continue
    const upload = await store.resume(path.slice('uploads/'.length))
    await upload?.append(once('more'), { max: 1_000_000 })
  }
}

function blobsOf(image: Image): Digest[] {
  const paths = [...image.files.keys()].map(path => path.split('/'))
  return paths.flatMap(([folder, algorithm, , hex]) =>
    folder === 'blobs' ? [`${algorithm}:${hex}` as Digest] : [],
  )
}
