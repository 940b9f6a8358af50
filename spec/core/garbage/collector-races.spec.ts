import { buffer } from 'node:stream/consumers'
import { setImmediate as turn } from 'node:timers/promises'
import { expect } from 'chai'
import fc, { type Stream } from 'fast-check'
import { Mirrors } from '../../../src/core/mirror/mirrors.ts'
import type { Parts } from '../../../src/core/parts.ts'
import { Registry } from '../../../src/core/registry.ts'
import { openLevel, writeLevel } from '../../../src/index/level-db.ts'
import { LevelIndex } from '../../../src/index/level-index.ts'
import { LINKS, MANIFEST_BYTES, REPOSITORIES } from '../../../src/index/tables.ts'
import { type Digest, digestOf } from '../../../src/oci/digest.ts'
import { DOCUMENTS_HERE } from '../../../src/oci/documents.ts'
import { RegistryError } from '../../../src/oci/errors.ts'
import { blobsOf, parseManifest } from '../../../src/oci/manifest.ts'
import { OCI_MANIFEST } from '../../../src/oci/media-types.ts'
import { Verifier } from '../../../src/signature/verifier.ts'
import type { Upload } from '../../../src/store/contract.ts'
import { ForwardClock } from '../../support/clock.ts'
import { MemoryStore } from '../../support/memory-store.ts'
import { IN_PROCESS, once, openBlob, repo } from '../../support/registry.ts'
import { tmpDir } from '../../support/tmp.ts'

const GRACE = 3_600_000
const REPOSITORY_NAMES = ['a', 'b'] as const
const CONTENTS = ['{}', 'one', 'two', 'three'] as const

interface Ground {
  readonly parts: Parts
  /** How long the next write of the index takes, in turns of the event loop. */
  pause: () => number
  readonly registry: Registry
  readonly clock: ForwardClock
}

type Step =
  | { readonly do: 'push' | 'mount' | 'ask' | 'drop'; readonly in: string; readonly content: string }
  | { readonly do: 'put' | 'delete'; readonly in: string; readonly contents: readonly string[] }
  | { readonly do: 'collect' }
  | { readonly do: 'wait'; readonly time: number }

/** Turns of the event loop. */
const delays = fc.infiniteStream(fc.oneof(fc.constant(0), fc.nat(4), fc.nat(30)))
const name = fc.constantFrom(...REPOSITORY_NAMES)
const content = fc.constantFrom(...CONTENTS)
const contents = fc.uniqueArray(content, { minLength: 1, maxLength: 3 }).map(list => list.sort())
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 4, arbitrary: fc.record({ do: fc.constantFrom('push', 'mount', 'ask'), in: name, content }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constantFrom('put', 'delete'), in: name, contents }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('collect' as const) }) },
  {
    weight: 1,
    arbitrary: fc.record({ do: fc.constant('wait' as const), time: fc.constantFrom(GRACE / 2, GRACE) }),
  },
)
/** About one blob, so that steps meet often; whoever pushed it may also take it back. */
const blobStep: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 3,
    arbitrary: fc.record({
      do: fc.constantFrom('push', 'mount', 'ask', 'drop'),
      in: name,
      content: fc.constant('one'),
    }),
  },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('collect' as const) }) },
)

describe('core/garbage/collector beside all else', () => {
  const fresh = tmpDir()
  const opened: LevelIndex[] = []
  /** Empty registries: to make one takes longer than a run. */
  const empty = new Map<number, Ground>()

  after(() => Promise.all(opened.map(index => index.close())))

  async function on(gcGrace: number, run: (ground: Ground) => Promise<void>): Promise<void> {
    const ground = empty.get(gcGrace) ?? (await make(gcGrace))
    // One that a run has failed on is not used again.
    empty.delete(gcGrace)
    await run(ground)
    ground.pause = () => 0
    await clear(ground)
    empty.set(gcGrace, ground)
  }

  async function make(gcGrace: number): Promise<Ground> {
    const db = await openLevel(await fresh())
    const index = new LevelIndex(db, {
      write: async changes => {
        await pass(ground.pause())
        await writeLevel(db, changes)
      },
      check: () => {},
      close: () => db.close(),
    })
    opened.push(index)
    const clock = new ForwardClock()
    const parts: Parts = {
      store: new MemoryStore(),
      index,
      clock,
      documents: DOCUMENTS_HERE,
      analyzer: IN_PROCESS,
      verifier: new Verifier([]),
      policy: {
        maxPluginSize: 1000,
        maxBlobSize: 1000,
        requireSignature: false,
        sparseManifests: false,
        uploadTtl: GRACE,
        gcGrace,
        mirrorMaxSize: Number.POSITIVE_INFINITY,
        mirrorFinish: 0,
      },
      mirrors: new Mirrors(),
    }
    const ground: Ground = { parts, registry: new Registry(parts), clock, pause: () => 0 }
    await ground.registry.collector.begin()
    return ground
  }

  it('never loses what a manifest references, and leaves nothing else, however steps mix', async () => {
    const clients = fc.array(fc.array(step, { maxLength: 6 }), { maxLength: 4 })
    await fc.assert(
      fc.asyncProperty(delays, clients, (turns, all) =>
        on(0, async ground => {
          const served = interleaved(ground, turns)
          await Promise.all(all.map(steps => play(served, ground.clock, steps)))
          await assertWhole(ground)
          await assertNothingElse(ground)
        }),
      ),
      { numRuns: 300 },
    )
  })

  it('never leaves a link without bytes, when blobs are taken back as well', async () => {
    const clients = fc.array(fc.array(blobStep, { maxLength: 6 }), { minLength: 2, maxLength: 4 })
    await fc.assert(
      fc.asyncProperty(delays, clients, (turns, all) =>
        on(0, async ground => {
          const served = interleaved(ground, turns)
          await Promise.all(all.map(steps => play(served, ground.clock, steps)))
          await assertLinks(ground)
        }),
      ),
      { numRuns: 300 },
    )
  })

  it('never refuses a manifest whose blobs were pushed within the grace period', async () => {
    const steps = fc.array(step, { maxLength: 6 })
    await fc.assert(
      fc.asyncProperty(delays, steps, steps, contents, name, (turns, before, meanwhile, list, repository) =>
        on(GRACE, async ground => {
          const { registry, clock } = ground
          const served = interleaved(ground, turns)
          const push = list.map(one => ({ do: 'push' as const, in: repository, content: one }))
          // What was pushed long ago is about to go when it is pushed again.
          const idle = [{ do: 'collect' as const }, { do: 'wait' as const, time: GRACE }]
          await play(registry, clock, [...push, ...before, ...idle])
          const pushAgain = async () => {
            for (const one of push) await act(served, clock, one)
            await act(served, clock, { do: 'put', in: repository, contents: list })
          }
          const others = meanwhile.filter(one => one.do !== 'wait')
          await Promise.all([
            pushAgain(),
            play(served, clock, others),
            play(served, clock, [{ do: 'collect' }, { do: 'collect' }]),
          ])
          await assertWhole(ground)
        }),
      ),
      { numRuns: 300 },
    )
  })
})

/** The registry with every read and write of index and store held up for a while, so that their order is any. */
function interleaved(ground: Ground, delays: Stream<number>): Registry {
  const { index, store } = ground.parts
  const READS = ['get', 'page']
  ground.pause = () => delays.next().value
  return new Registry({
    ...ground.parts,
    index: delayed(delays, index, READS, { latest: delayed(delays, index.latest, READS) }),
    store: delayed(delays, store, ['stat', 'begin', 'remove', 'resume']),
  })
}

function delayed<T extends object>(
  delays: Stream<number>,
  target: T,
  names: readonly string[],
  instead: Partial<T> = {},
): T {
  return new Proxy(target, {
    get: (_, member) => {
      if (Object.hasOwn(instead, member)) return Reflect.get(instead, member)
      const value: unknown = Reflect.get(target, member, target)
      if (typeof value !== 'function') return value
      if (!names.includes(String(member))) return value.bind(target)
      return async (...args: unknown[]) => {
        await pass(delays.next().value)
        const result: unknown = await value.apply(target, args)
        return isUpload(result) ? delayed(delays, result, ['commit']) : result
      }
    },
  })
}

async function pass(turns: number): Promise<void> {
  for (let left = turns; left > 0; left--) await turn()
}

function isUpload(value: unknown): value is Upload {
  return typeof value === 'object' && value !== null && 'commit' in value
}

/** What one client does, one step after the other. That something is unknown is an answer. */
async function play(registry: Registry, clock: ForwardClock, steps: readonly Step[]): Promise<void> {
  for (const one of steps) {
    await act(registry, clock, one).catch(error => {
      if (!(error instanceof RegistryError) || error.status !== 404) throw error
    })
  }
}

async function act(registry: Registry, clock: ForwardClock, one: Step): Promise<unknown> {
  if (one.do === 'wait') return clock.pass(one.time)
  if (one.do === 'collect') return registry.collector.collect()
  const repository = repo(one.in)
  if ('contents' in one) {
    const bytes = manifestOf(one.contents)
    const digest = digestOf(bytes)
    if (one.do === 'delete') return registry.manifests.delete(repository, digest)
    return registry.manifests.put(repository, digest, bytes, OCI_MANIFEST)
  }
  const digest = digestOf(one.content)
  if (one.do === 'push') return registry.uploads.whole(repository, once(one.content), digest)
  if (one.do === 'mount') return registry.blobs.mount(repository, digest)
  if (one.do === 'drop') return registry.blobs.delete(repository, digest)
  return registry.blobs.stat(repository, digest)
}

function manifestOf(list: readonly string[]): Buffer {
  const [config, ...layers] = list.map(one => ({
    mediaType: 'application/vnd.example',
    digest: digestOf(one),
    size: Buffer.byteLength(one),
  }))
  return Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType: OCI_MANIFEST, config, layers }))
}

async function assertLinks({ parts: { index, store } }: Ground): Promise<void> {
  for (const { key } of await index.page(LINKS, [])) {
    expect(await store.stat(key[1] as Digest), key.join(' ')).not.to.equal(undefined)
  }
}

/** Every link has its bytes, and every manifest all that it references. */
async function assertWhole(ground: Ground): Promise<void> {
  await assertLinks(ground)
  for (const [repository, digest] of await references(ground)) {
    const handle = await openBlob(ground.registry, repo(repository), digest)
    expect(digestOf(await buffer(handle.read()))).to.equal(digest)
  }
}

/** After the last grace period only what manifests reference is left. */
async function assertNothingElse(ground: Ground): Promise<void> {
  const { parts, registry, clock } = ground
  await registry.collector.collect()
  clock.pass(GRACE)
  await registry.collector.collect()
  await assertWhole(ground)
  const needed = await references(ground)
  const links = (await parts.index.page(LINKS, [])).map(({ key }) => key.join(' '))
  expect(links).to.have.members([...new Set(needed.map(pair => pair.join(' ')))])
  const stored: string[] = []
  for await (const { digest } of parts.store.list()) stored.push(digest)
  expect(stored).to.have.members([...new Set(needed.map(([, digest]) => digest))])
  const repositories = (await parts.index.page(REPOSITORIES, [])).map(({ key }) => key[0])
  expect(repositories).to.have.members([...new Set(needed.map(([repository]) => repository))])
}

/** Deletes every manifest; then nothing is needed, and all goes. */
async function clear(ground: Ground): Promise<void> {
  for (const { key } of await ground.parts.index.page(MANIFEST_BYTES, [])) {
    await ground.registry.manifests.delete(repo(key[0]), key[1] as Digest)
  }
  await assertNothingElse(ground)
}

async function references({ parts }: Ground): Promise<[repository: string, digest: Digest][]> {
  const rows = await parts.index.page(MANIFEST_BYTES, [])
  return rows.flatMap(({ key: [repository], row }) =>
    blobsOf(parseManifest(row, OCI_MANIFEST)).map(({ digest }): [string, Digest] => [
      repository,
      digest as Digest,
    ]),
  )
}
