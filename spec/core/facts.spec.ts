import { expect } from 'chai'
import { factsOfBinary } from '../../src/core/facts.ts'
import { put } from '../../src/index/contract.ts'
import { FACTS, type FactsRow } from '../../src/index/tables.ts'
import { digestOf } from '../../src/oci/digest.ts'
import { PluginError } from '../../src/plugin/error.ts'
import { examine } from '../../src/plugin/examine.ts'
import { ANALYZER_VERSION, factsOf } from '../../src/plugin/facts.ts'
import { plugin } from '../support/plugins.ts'
import { refusal } from '../support/refusal.ts'
import { type CoreRegistry, registries, repo, wrap } from '../support/registry.ts'

const { bytes } = plugin('libmemflow_facts-glibc.x86_64.so')
const binary = digestOf(bytes)
const facts = factsOf(bytes)

describe('core/facts', () => {
  const open = registries()
  let registry: CoreRegistry

  beforeEach(async () => {
    registry = await open()
  })

  const rows = (of: CoreRegistry) => of.rows<FactsRow>(FACTS)
  const current = { [binary]: { analyzer: ANALYZER_VERSION, facts } }

  it('are stored with the claim, however the binary came', async () => {
    await registry.publish(bytes)
    expect(await rows(registry)).to.deep.equal(current)
    for (const as of ['raw', 'tar', 'tar+gzip'] as const) {
      const other = await open()
      await other.pushPlugin('a', 'v1', bytes, { as })
      expect(await rows(other), as).to.deep.equal(current)
    }
  })

  it('are written in the same batch as the claim', async () => {
    const { digest } = await registry.pushBlob('a', bytes)
    await registry.pushBlob('a', '{}')
    registry.level.counts.batches = 0
    await registry.pushImage('a', 'v1', [
      { mediaType: 'application/octet-stream', digest, size: bytes.length },
    ])
    expect(await rows(registry)).to.deep.equal(current)
    expect(registry.level.counts.batches).to.equal(1)
  })

  it('stay until the last claim of the binary goes', async () => {
    const first = await registry.pushPlugin('a', 'v1', bytes)
    const second = await registry.pushPlugin('b', 'v1', await wrap(bytes, 'tar'))
    await registry.manifests.delete(repo('a'), first.digest)
    expect(await rows(registry)).to.deep.equal(current)
    await registry.manifests.delete(repo('b'), second.digest)
    expect(await rows(registry)).to.deep.equal({})
  })

  it('go with the binary', async () => {
    await registry.publish(bytes)
    await registry.plugins.delete(binary)
    expect(await rows(registry)).to.deep.equal({})
  })

  it('stay where a claim changes', async () => {
    await registry.pushPlugin('a', 'v1', bytes)
    await registry.pushPlugin('a', 'v2', bytes, { artifactType: 'application/vnd.other.v1' })
    await registry.pushPlugin('a', 'v1', bytes)
    expect(await rows(registry)).to.deep.equal(current)
  })

  it('are answered with the version of the analyzer', async () => {
    await registry.publish(bytes)
    const digest = binary.slice('sha256:'.length)
    expect(await registry.plugins.analysis(binary)).to.deep.equal({
      digest,
      analyzer: ANALYZER_VERSION,
      ...facts,
    })
  })

  it('of an unknown binary are PLUGIN_UNKNOWN', async () => {
    expect(await refusal(registry.plugins.analysis(binary))).to.equal('PLUGIN_UNKNOWN')
  })

  describe('of another analyzer', () => {
    const old: FactsRow = { analyzer: ANALYZER_VERSION - 1, facts: { size: 1, images: [] } }

    it('are read anew when they are asked for, and stored', async () => {
      await registry.publish(bytes)
      await registry.index.apply([put(FACTS, [binary], old)])
      expect((await registry.plugins.analysis(binary)).images).to.deep.equal(facts.images)
      expect(await rows(registry)).to.deep.equal(current)
    })

    it('are made where they are missing', async () => {
      await registry.publish(bytes)
      await registry.index.apply([{ table: FACTS, key: [binary], row: undefined }])
      expect(await factsOfBinary(registry.parts, binary)).to.deep.equal(facts)
      expect(await rows(registry)).to.deep.equal(current)
    })

    it('are not stored for a binary that nobody claims', async () => {
      await registry.pushBlob('a', bytes)
      expect(await factsOfBinary(registry.parts, binary)).to.equal(undefined)
      expect(await rows(registry)).to.deep.equal({})
    })

    it('are none where this analyzer refuses the binary', async () => {
      let refuses = false
      const strict = await open({
        analyzer: {
          examine: async file => {
            if (refuses) throw new PluginError('not-supported', 'not any more')
            return examine(file)
          },
        },
      })
      await strict.publish(bytes)
      await strict.index.apply([put(FACTS, [binary], old)])
      refuses = true
      expect(await factsOfBinary(strict.parts, binary)).to.equal(undefined)
      expect(await refusal(strict.plugins.analysis(binary))).to.equal('PLUGIN_UNKNOWN')
    })
  })
})
