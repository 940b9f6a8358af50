import { expect } from 'chai'
import fc from 'fast-check'
import {
  BINARIES,
  BUILDS,
  CLAIMED,
  CLAIMS,
  FILES,
  NAMES,
  REFERRERS,
  REFERRERS_BY_TYPE,
  REPOSITORIES,
  TAGGED,
  TAGS,
  VARIANTS,
  VARIANTS_BY_DIGEST,
} from '../../src/index/tables.ts'
import { type Digest, digestOf } from '../../src/oci/digest.ts'
import type { Descriptor } from '../../src/oci/manifest.ts'
import { OCI_MANIFEST } from '../../src/oci/media-types.ts'
import { SIGNATURE_ANNOTATION, SIGNATURE_TYPE } from '../../src/oci/plugin-artifact.ts'
import { EMPTY, imageManifest } from '../support/oci.ts'
import { type PluginFile, plugin } from '../support/plugins.ts'
import {
  type CoreRegistry,
  registries,
  repo,
  StoppedClock,
  tag,
  type Wrapping,
  wrap,
} from '../support/registry.ts'
import { signer } from '../support/signer.ts'

/** A manifest that may be pushed, and deleted, any number of times. */
interface Candidate {
  readonly repository: string
  /** Where it is pushed to; by digest, where that is undefined. */
  readonly tag: string | undefined
  readonly bytes: Buffer
  readonly digest: Digest
  readonly blobs: readonly Descriptor[]
}

/** By time of day, in nanoseconds: each candidate has a time of its own, whenever it is pushed. */
const MIDNIGHT = BigInt(Date.parse('2024-01-01T00:00:00Z')) * 1_000_000n

describe('core: what is derived', () => {
  const open = registries()
  const alice = signer()
  const clock = new StoppedClock()
  const candidates: Candidate[] = []

  before(async () => {
    const seed = await open()

    const add = (
      repository: string,
      name: string | undefined,
      layers: readonly Descriptor[],
      more: object = {},
    ) => {
      const bytes = imageManifest(layers, more)
      const one = { repository, tag: name, bytes, digest: digestOf(bytes), blobs: [EMPTY, ...layers] }
      candidates.push(one)
      return { mediaType: OCI_MANIFEST, digest: one.digest, size: bytes.length }
    }
    const layer = async (file: PluginFile, as: Wrapping, signed: boolean) => {
      const { bytes } = plugin(file)
      const pushed = await seed.pushBlob('seed', await wrap(bytes, as))
      return signed ? { ...pushed, annotations: { [SIGNATURE_ANNOTATION]: alice.sign(bytes) } } : pushed
    }
    await seed.pushBlob('seed', '{}')
    const LINUX = 'libmemflow_coredump-0.2.0.x86_64.so'
    const ours = { artifactType: 'application/vnd.memflow.plugin.v1' }
    const early = { annotations: { 'org.opencontainers.image.created': '2023-01-01T00:00:00Z' } }
    add('coredump', 'mine', [await layer(LINUX, 'raw', true)], ours)
    add('coredump', undefined, [await layer(LINUX, 'raw', true)], { ...ours, ...early })
    add('backup/coredump', 'v1', [await layer(LINUX, 'tar+gzip', true)])
    add('coredump', '0.2.0', [await layer('memflow_coredump-0.2.0.x86_64.dll', 'tar', true)])
    add('coredump', undefined, [await layer('libmemflow_coredump-0.2.1-abi2.x86_64.so', 'raw', true)])
    add('coredump', undefined, [await layer('libmemflow_coredump-0.2.0-beta.1.x86_64.so', 'raw', true)])
    add('coredump', 'latest', [await seed.pushBlob('seed', 'no plugin')])
    const both = await layer('libmemflow_pair-0.2.0.x86_64.so', 'raw', true)
    add('qemu', undefined, [both])
    add('win32', undefined, [both], { annotations: { of: 'win32' } })
    const unsigned = add('coredump', 'unsigned', [
      await layer('libmemflow_coredump-0.2.0.arm64.so', 'raw', false),
    ])
    const { bytes } = plugin('libmemflow_coredump-0.2.0.arm64.so')
    for (const signature of [alice.sign(bytes), alice.sign(bytes)]) {
      const annotations = { [SIGNATURE_ANNOTATION]: signature }
      add('coredump', undefined, [EMPTY], { artifactType: SIGNATURE_TYPE, subject: unsigned, annotations })
    }
  })

  async function push(registry: CoreRegistry, n: number): Promise<void> {
    const one = candidates[n] ?? expect.fail()
    const repository = repo(one.repository)
    for (const { digest, size } of one.blobs) await registry.blobs.keep(repository, digest as Digest, size)
    clock.time = MIDNIGHT + BigInt(n) * 1_000_000_000n
    await registry.manifests.put(
      repository,
      one.tag === undefined ? one.digest : tag(one.tag),
      one.bytes,
      OCI_MANIFEST,
    )
  }

  async function remove(registry: CoreRegistry, n: number): Promise<void> {
    const one = candidates[n] ?? expect.fail()
    await registry.manifests.delete(repo(one.repository), one.digest)
  }

  const rowsOf = async (registry: CoreRegistry) => ({
    repositories: Object.keys(await registry.rows(REPOSITORIES)),
    tags: await registry.rows(TAGS),
    tagged: await registry.rows(TAGGED),
    names: await registry.rows(NAMES),
    files: await registry.rows(FILES),
    variants: await registry.rows(VARIANTS),
    byDigest: await registry.rows(VARIANTS_BY_DIGEST),
    claims: await registry.rows(CLAIMS),
    claimed: await registry.rows(CLAIMED),
    binaries: await registry.rows(BINARIES),
    builds: await registry.rows(BUILDS),
    referrers: await registry.rows(REFERRERS),
    byType: await registry.rows(REFERRERS_BY_TYPE),
  })

  it('is a function of the manifests that are there, however they came and went', async () => {
    const COUNT = 12
    const changes = fc.array(fc.nat(COUNT - 1), { minLength: 1, maxLength: 24 })
    const order = fc.shuffledSubarray(
      Array.from({ length: COUNT }, (_, i) => i),
      { minLength: COUNT },
    )
    expect(candidates).to.have.length(COUNT)
    await fc.assert(
      fc.asyncProperty(changes, order, async (toggled, again) => {
        const registry = await open({ keys: alice.pem, clock })
        const there = new Set<number>()
        for (const n of toggled) {
          if (there.delete(n)) await remove(registry, n)
          else {
            there.add(n)
            await push(registry, n)
          }
        }
        const other = await open({ keys: alice.pem, clock })
        for (const n of again) if (there.has(n)) await push(other, n)
        expect(await rowsOf(registry)).to.deep.equal(await rowsOf(other))
        for (const n of there) await remove(registry, n)
        expect(Object.values(await rowsOf(registry)).flatMap(rows => Object.keys(rows))).to.deep.equal([])
        await Promise.all([registry.close(), other.close()])
      }),
      { numRuns: 15 },
    )
  })

  it('is the same when everything is pushed a second time', async () => {
    const registry = await open({ keys: alice.pem, clock })
    for (const n of candidates.keys()) await push(registry, n)
    const before = await rowsOf(registry)
    for (const n of candidates.keys()) await push(registry, n)
    expect(await rowsOf(registry)).to.deep.equal(before)
  })

  it('is the same when everything comes at once', async () => {
    const registry = await open({ keys: alice.pem })
    clock.time = MIDNIGHT
    const parallel = await open({ keys: alice.pem, clock })
    for (const n of candidates.keys()) await push(registry, n)
    await Promise.all([...candidates.keys()].map(n => push(parallel, n)))
    expect(await parallel.names()).to.deep.equal(await registry.names())
    expect(Object.keys(await parallel.rows(BUILDS)).length).to.equal(
      Object.keys(await registry.rows(BUILDS)).length,
    )
    expect(await parallel.tags('coredump')).to.deep.equal(await registry.tags('coredump'))
    const digests = async (of: CoreRegistry) => Object.keys(await of.rows(FILES))
    expect(await digests(parallel)).to.deep.equal(await digests(registry))
  })
})
