import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { expect } from 'chai'
import { FaultyUpstream } from '../../spec/support/faulty-upstream.ts'
import { until } from '../../spec/support/until.ts'
import { blackhole } from '../../spec/support/upstream/faults.ts'
import { deafPort, sinkhole } from '../../spec/support/upstream/sinkhole.ts'
import { type Server, TOKEN } from '../support/server.ts'
import { ask, errorOf } from './ask.ts'
import { IMPATIENT, startMirror } from './start.ts'
import { Stock } from './stock.ts'

/** So many failures in a row, and an upstream is left alone; for so long, in milliseconds. */
const FAILURES = 3
const LEFT_ALONE = 5000

describe('a dead upstream', () => {
  const { content, kept } = new Stock()
  const ends: (() => Promise<unknown>)[] = []
  let dying: FaultyUpstream
  let sound: FaultyUpstream
  let mirror: Server

  before(async () => {
    const folder = await mkdtemp(join(tmpdir(), 'mirror-'))
    ends.push(() => rm(folder, { recursive: true, force: true }))
    dying = await FaultyUpstream.start({ content })
    sound = await FaultyUpstream.start({ content })
    const [deaf, silent] = [await deafPort(), await sinkhole()]
    for (const upstream of [dying, sound]) ends.unshift(() => upstream.stop())
    for (const hole of [deaf, silent]) ends.unshift(() => hole.close())
    const urls = {
      dying: dying.url,
      sound: sound.url,
      deaf: `http://127.0.0.1:${deaf.port}`,
      silent: `http://127.0.0.1:${silent.port}`,
      'silent-tls': `https://127.0.0.1:${silent.port}`,
      nowhere: 'http://nowhere.invalid',
    }
    const entries = Object.entries(urls).map(([name, url]) => ({ name, url, prefix: name, ...IMPATIENT }))
    mirror = await startMirror(folder, entries)
    ends.unshift(() => mirror.stop())
  })

  after(async () => {
    for (const end of ends) await end()
  })

  const at = (path: string) => `${mirror.url}/v2/${path}`

  for (const [name, status, reason] of [
    ['deaf', 504, /no connection within connectTimeout/],
    ['silent', 504, /no answer within 12 s/],
    ['silent-tls', 504, /no connection within connectTimeout/],
    ['nowhere', 503, /no host of that name|cannot be resolved/],
  ] as const) {
    it(`that is ${name} -> ${status}, and why`, async () => {
      for (const path of ['manifests/v1', `blobs/${kept.layer}`, 'tags/list']) {
        const answer = await ask(at(`${name}/app/${path}`))
        const { message } = errorOf(answer)
        expect(answer.status, message).to.equal(status)
        expect(message).to.match(reason).and.contain(`the mirror of ${name}`)
      }
    })
  }

  it('holds up neither another mirror nor what is here, while many wait for it', async () => {
    const headers = { authorization: `Bearer ${TOKEN}`, 'content-type': 'application/octet-stream' }
    const upload = at(`local/blobs/uploads/?digest=${kept.layer}`)
    const body = new Uint8Array(content.blobs.get(kept.layer) ?? [])
    expect((await ask(upload, { method: 'POST', headers, body })).status).to.equal(201)
    dying.fail('any', blackhole)
    let answered = 0
    const waiting = Array.from({ length: 50 }, async (_, i) => {
      const { status } = await ask(at(`dying/app/manifests/v${i}`))
      answered++
      return status
    })
    await until(() => dying.requests.length >= 20)
    for (const path of [
      'sound/app/manifests/kept',
      `sound/app/blobs/${kept.layer}`,
      `local/blobs/${kept.layer}`,
    ]) {
      expect((await ask(at(path))).status).to.equal(200)
    }
    expect(answered, 'answers of the dead one before those of the others').to.equal(0)
    for (const status of await Promise.all(waiting)) expect(status).to.equal(504)
  })

  it('is left alone after a few failures, and asked again when it is back', async () => {
    // It has failed before.
    expect(dying.requests.length).to.be.above(FAILURES)
    const asked = dying.requests.length
    const answer = await ask(at('dying/app/manifests/kept'))
    expect(answer.status).to.equal(503)
    expect(errorOf(answer).message).to.match(
      /not asked, it is tried again (?:in \d+ s|right now); it failed before/,
    )
    expect(dying.requests).to.have.length(asked)
    dying.heal()
    await sleep(LEFT_ALONE + 500)
    expect((await ask(at('dying/app/manifests/kept'))).status).to.equal(200)
    expect(dying.requests).to.have.length(asked + 1)
  })
})
