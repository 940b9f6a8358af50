import { once } from 'node:events'
import type { ServerResponse } from 'node:http'
import { expect } from 'chai'
import Koa from 'koa'
import { HeldMemory } from '../../src/http/held-memory.ts'
import { Transfers } from '../../src/http/transfers.ts'
import { RegistryError } from '../../src/oci/errors.ts'
import { ask } from '../support/ask.ts'
import { listen } from '../support/server.ts'

describe('http/held-memory', () => {
  it('bytes count until the response has ended, and what does not fit is refused with Retry-After', async () => {
    const memory = new HeldMemory(100)
    let res: ServerResponse | undefined
    const app = new Koa()
    app.use(async ctx => {
      res = ctx.res
      memory.hold(ctx.res, 60)
      memory.hold(ctx.res, 40)
      expect(memory.bytes).to.equal(100)
      const refused = await Promise.resolve()
        .then(() => memory.hold(ctx.res, 1))
        .catch((error: RegistryError) => error)
      expect(refused).to.be.instanceOf(RegistryError)
      expect(refused).to.deep.include({ status: 503, headers: { 'Retry-After': '5' } })
      ctx.body = 'done'
    })
    const { url, close } = await listen(app)
    expect((await ask(url, 'GET', '/')).text).to.equal('done')
    if (!res?.closed) await once(res as ServerResponse, 'close')
    expect(memory.bytes).to.equal(0)
    expect(() => memory.hold(res as ServerResponse, 1)).to.throw('the client has gone')
    await close()
  })
})

describe('http/transfers', () => {
  it('chunks get smaller as more bytes are in flight, and large again when transfers have ended', () => {
    const transfers = new Transfers()
    const GIB = 2 ** 30
    const open = Array.from({ length: 1000 }, () => transfers.begin())
    const sizes = open.map(transfer => {
      for (let i = 0; i < 5; i++) transfer.nextChunk(GIB)
      return transfer.nextChunk(GIB)
    })
    expect([...new Set(sizes)]).to.deep.equal([1_048_576, 65_536, 16_384])
    expect(transfers.bytes / 2 ** 20).to.be.within(96, 200)
    for (const transfer of open) transfer.end()
    expect(transfers.bytes).to.equal(0)
    expect(transfers.begin().nextChunk(GIB)).to.equal(1_048_576)
  })

  it('a chunk is not larger than what is left needs', () => {
    expect(new Transfers().begin().nextChunk(20_000)).to.equal(65_536)
  })

  it('a read that comes after the end is not counted', () => {
    const transfers = new Transfers()
    const transfer = transfers.begin()
    transfer.nextChunk(100)
    transfer.end()
    transfer.nextChunk(100)
    transfer.end()
    expect(transfers.bytes).to.equal(0)
  })
})
