import { expect } from 'chai'
import { upstreams } from '../../support/faulty-upstream.ts'
import { mirrorOf, putArtifact } from '../../support/mirror.ts'
import { startRegistry } from '../../support/server.ts'
import { until } from '../../support/until.ts'
import { stalled } from '../../support/upstream/faults.ts'

describe('http/oci: two mirrors', () => {
  const upstream = upstreams()

  it('of the same blob -> the one whose upstream stalls does not hold up the other', async () => {
    const [slow, sound] = [await upstream(), await upstream()]
    for (const each of [slow, sound]) putArtifact(each, 'app', 'v1', 'a layer')
    const { layer } = putArtifact(sound, 'app', 'v1', 'a layer')
    slow.fail('blob', stalled(3))
    const mirror = await startRegistry({
      policy: {
        mirrors: [
          mirrorOf(slow.url, { name: 'slow', prefix: 'slow' }),
          mirrorOf(sound.url, { name: 'sound', prefix: 'sound' }),
        ],
      },
    })
    try {
      const held = mirror.ask('GET', `/v2/slow/app/blobs/${layer}`).catch((error: Error) => error)
      await until(async () => (await mirror.staged()).length > 0)
      const pulls = await Promise.all([1, 2].map(() => mirror.ask('GET', `/v2/sound/app/blobs/${layer}`)))
      for (const { text } of pulls) expect(text).to.equal('a layer')
      expect(sound.count('blob', 'GET')).to.equal(1)
      await mirror.close()
      expect(await held).to.be.an('error')
    } finally {
      await mirror.close().catch(() => {})
    }
  })
})
