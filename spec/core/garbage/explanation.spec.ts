import { expect } from 'chai'
import { del } from '../../../src/index/contract.ts'
import { HOLDERS, LINKS } from '../../../src/index/tables.ts'
import { type Digest, digestOf } from '../../../src/oci/digest.ts'
import { ForwardClock } from '../../support/clock.ts'
import { plugin } from '../../support/plugins.ts'
import { refusal } from '../../support/refusal.ts'
import { type CoreRegistry, registries, repo } from '../../support/registry.ts'

const HOUR = 3_600_000
const TIME = /\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ/g

describe('core/garbage/explanation', () => {
  const open = registries()
  const binary = plugin('libmemflow_coredump-0.2.0.x86_64.so').bytes
  let registry: CoreRegistry
  let clock: ForwardClock

  beforeEach(async () => {
    clock = new ForwardClock()
    registry = await open({ clock, policy: { gcGrace: HOUR } })
    await registry.collector.begin()
  })

  /** `repository: why`, times left out. */
  const why = async (digest: Digest) => {
    const explanation = await registry.collector.explain(digest)
    return explanation?.reasons.map(
      ({ repository = '-', keeps, why: text }) =>
        `${keeps ? 'kept' : 'goes'} ${repository}: ${text.replace(TIME, 'then').replaceAll(/sha256:\w+/g, 'D')}`,
    )
  }

  it('of what is not here is nothing', async () => {
    expect(await registry.collector.explain(digestOf('never pushed'))).to.equal(undefined)
  })

  it('is found by the beginning of a digest, whatever has it: a blob, a manifest, a plugin', async () => {
    const layer = await registry.pushBlob('a', 'found')
    const { digest } = await registry.pushImage('a', 'v1', [layer])
    await registry.publish(binary)
    for (const whole of [layer.digest, digest, digestOf(binary)])
      expect(await registry.collector.explain(whole.slice(0, 14)), whole).to.include({ digest: whole })
    expect(await registry.collector.explain('sha256:0000000')).to.equal(undefined)
  })

  it('of the beginning of two digests is refused', async () => {
    // Both begin with e64ca7c.
    await registry.pushBlob('a', 't7837')
    await registry.pushBlob('b', 't9129')
    expect(await refusal(registry.collector.explain('sha256:e64ca7c'))).to.equal('BAD_REQUEST')
    const whole = digestOf('t7837')
    expect(await registry.collector.explain(whole.slice(0, 24))).to.include({ digest: whole })
  })

  it('of a blob names the manifests that reference it, in each repository', async () => {
    const layer = await registry.pushBlob('a', 'kept by two')
    await registry.pushBlob('b', 'kept by two')
    const { digest } = await registry.pushImage('a', 'v1', [layer])
    await registry.pushImage('a', 'v2', [layer], {}, {})
    const explanation = await registry.collector.explain(layer.digest)
    expect(explanation).to.deep.equal({
      digest: layer.digest,
      kept: true,
      size: 11,
      reasons: [
        { keeps: true, repository: 'a', why: `manifest ${digest} (v1, v2) references it` },
        {
          keeps: false,
          repository: 'b',
          why: 'nothing needs it; its grace period begins with the next collection',
        },
      ],
    })
  })

  it('of a blob that nothing needs says since when, and when it goes', async () => {
    const own = await open({ ownStore: true, clock, policy: { gcGrace: HOUR } })
    await own.collector.begin()
    registry = own
    const { digest } = await own.pushBlob('a', 'of no use')
    await own.collector.collect()
    expect(await why(digest)).to.deep.equal([
      'goes a: nothing needs it since then; it goes with the first collection after then',
    ])
    const [reason] = (await own.collector.explain(digest))?.reasons ?? []
    const [since = '', until = ''] = reason?.why.match(TIME) ?? []
    expect(Date.parse(until) - Date.parse(since)).to.equal(HOUR)
    await own.blobs.delete(repo('a'), digest)
    expect(await why(digest)).to.deep.equal([
      'goes -: no repository holds it; it goes with the first collection after then',
    ])
  })

  it('of a plugin out of an archive names the manifest that brings it', async () => {
    await registry.pushPlugin('a', 'v1', binary, { as: 'tar' })
    expect(await why(digestOf(binary))).to.deep.equal(['kept a: manifest D (v1) brings it as a plugin'])
    await registry.index.apply([del(LINKS, ['a', digestOf(binary)]), del(HOLDERS, [digestOf(binary), 'a'])])
    expect(await why(digestOf(binary))).to.deep.equal(['kept a: manifest D brings it as a plugin'])
  })

  it('of a manifest says that it stays, and under which tags', async () => {
    const { digest } = await registry.pushImage('a', 'v1', [])
    const { digest: other } = await registry.pushImage('a', undefined, [], { annotations: { n: '1' } })
    expect(await why(digest)).to.deep.equal([
      'kept a: a manifest that was pushed, tagged v1: it stays until it is deleted',
    ])
    expect(await why(other)).to.deep.equal([
      'kept a: a manifest that was pushed: it stays until it is deleted',
    ])
  })

  it('of a composed index names its tags, then says when it goes', async () => {
    await registry.publish(binary)
    const { digest } = await registry.manifest('coredump', 'latest')
    expect(await why(digest)).to.deep.equal([
      'kept coredump: the registry composed it for 0.2.0, 0.2.0-abi1, abi1, latest',
    ])
    await registry.publish(plugin('memflow_coredump-0.2.0.x86_64.dll').bytes)
    expect(await why(digest)).to.deep.equal([
      'goes coredump: nothing needs it; its grace period begins with the next collection',
    ])
  })

  it('of a blob whose bytes are lost says so', async () => {
    const { digest } = await registry.pushBlob('a', 'soon lost')
    await registry.store.remove(digest)
    expect(await why(digest)).to.include('goes -: the store has lost its bytes; pushing them again heals it')
  })

  it('is short where very many manifests reference a blob', async () => {
    for (let n = 0; n < 8; n++) await registry.pushImage('a', undefined, [], { annotations: { n: `${n}` } })
    const reasons = (await why(digestOf('{}'))) ?? []
    expect(reasons).to.have.length(6)
    expect(reasons.at(-1)).to.equal('kept a: and more manifests')
  })
})
