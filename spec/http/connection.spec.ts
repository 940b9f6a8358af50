import { once } from 'node:events'
import { request, type Server } from 'node:http'
import { connect, type Socket } from 'node:net'
import { expect } from 'chai'
import Koa, { type Context } from 'koa'
import { bodyOf } from '../../src/http/body.ts'
import type { ConnectionLimits } from '../../src/http/connections.ts'
import { closeServer, createHttpServer } from '../../src/http/server.ts'
import { Wire } from '../support/ask.ts'

/** A server whose minute has 60 ticks of a few milliseconds. */
const TICK_MS = 5

describe('http/connection', () => {
  let server: Server
  let url: string
  let handle: (ctx: Context) => Promise<void>
  const refused: object[] = []

  async function start(limits?: ConnectionLimits, tickMs = TICK_MS): Promise<void> {
    const app = new Koa()
    app.silent = true
    app.use(ctx => handle(ctx))
    server = createHttpServer(app, {
      ...(limits && { limits }),
      tickMs,
      onRefused: counts => refused.push(counts),
    })
    await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
    url = `http://127.0.0.1:${(server.address() as { port: number }).port}`
  }

  beforeEach(() => {
    refused.length = 0
    handle = async ctx => {
      ctx.body = ctx.path
    }
  })

  afterEach(() => closeServer(server, 0))

  const open = async (): Promise<Socket> => {
    const socket = connect(Number(new URL(url).port), '127.0.0.1')
    socket.on('error', () => {})
    await once(socket, 'connect')
    return socket
  }

  /** A promise, and what resolves it. */
  function gate(): { passed: Promise<void>; pass: () => void } {
    let pass = () => {}
    const passed = new Promise<void>(resolve => {
      pass = resolve
    })
    return { passed, pass }
  }

  describe('takes turns:', () => {
    it('a pipelined request begins when the response before it has ended, and all are answered in order', async () => {
      await start()
      const begun: string[] = []
      const { passed, pass } = gate()
      handle = async ctx => {
        begun.push(ctx.path)
        if (ctx.path === '/0') await passed
        ctx.body = `<${ctx.path}>`
      }
      const wire = await Wire.open(url)
      for (let i = 0; i < 100; i++) wire.head(`GET /${i} HTTP/1.1`, 'Host: x')
      await (await fetch(`${url}/other`)).text()
      expect(begun).to.deep.equal(['/0', '/other'])
      pass()
      const received = await wire.until(/<\/99>/)
      expect(received.match(/<\/\d+>/g)).to.deep.equal(Array.from({ length: 100 }, (_, i) => `</${i}>`))
      wire.cut()
    })

    it('a waiting request never begins if the connection is closed before', async () => {
      await start()
      const begun: string[] = []
      const { passed, pass } = gate()
      const closed = gate()
      handle = async ctx => {
        begun.push(ctx.path)
        ctx.res.once('close', closed.pass)
        await passed
      }
      const wire = await Wire.open(url)
      wire.head('GET /0 HTTP/1.1', 'Host: x').head('GET /1 HTTP/1.1', 'Host: x')
      for (let i = 0; i < 1000 && begun.length === 0; i++) await new Promise(setImmediate)
      wire.cut()
      await closed.passed
      pass()
      await new Promise(setImmediate)
      expect(begun).to.deep.equal(['/0'])
    })

    it('a waiting request with Expect: 100-continue is told to go on at its turn', async () => {
      await start()
      const { passed, pass } = gate()
      handle = async ctx => {
        if (ctx.path === '/0') await passed
        let size = 0
        if (ctx.method === 'POST') for await (const chunk of bodyOf(ctx)) size += chunk.length
        ctx.body = `<${ctx.path} ${size}>`
      }
      const wire = await Wire.open(url)
      wire.head('GET /0 HTTP/1.1', 'Host: x')
      wire.head('POST /1 HTTP/1.1', 'Host: x', 'Expect: 100-continue', 'Content-Length: 5')
      pass()
      await wire.until(/<\/0 0>[\s\S]*100 Continue/)
      wire.send('hello')
      await wire.until(/<\/1 5>/)
      wire.cut()
    })

    it('a flood of requests behind one that is at work closes the connection', async () => {
      await start()
      const { passed, pass } = gate()
      handle = () => passed
      const socket = await open()
      const closed = once(socket.resume(), 'close')
      socket.write('GET / HTTP/1.1\r\nHost:\r\n\r\n'.repeat(2000))
      await closed
      pass()
    })

    it('garbage after a request does not get into its response, which is the last', async () => {
      await start()
      const { passed, pass } = gate()
      handle = async ctx => {
        if (ctx.path === '/') await passed
        ctx.body = 'x'.repeat(1000)
      }
      const wire = await Wire.open(url)
      wire.head('GET / HTTP/1.1', 'Host: x').send('\0\0\0\r\n\r\n')
      await (await fetch(`${url}/other`)).text()
      pass()
      const received = await wire.end()
      expect(received).to.match(/^HTTP\/1.1 200 OK[\s\S]*\r\nConnection: close\r\n\r\nx{1000}$/)
    })
  })

  describe('has deadlines:', () => {
    it('a body that trickles is refused with 408', async () => {
      await start()
      handle = async ctx => {
        for await (const _ of bodyOf(ctx));
      }
      const wire = await Wire.open(url)
      wire.head('PUT / HTTP/1.1', 'Host: x', 'Content-Length: 100000')
      const trickle = setInterval(() => wire.send('x'), 20)
      expect(await wire.end()).to.match(/^HTTP\/1.1 408 /)
      clearInterval(trickle)
    })

    it('a body that comes at the least rate is taken, however long it takes', async () => {
      await start()
      let size = 0
      handle = async ctx => {
        for await (const chunk of bodyOf(ctx)) size += chunk.length
        ctx.body = 'done'
      }
      const wire = await Wire.open(url)
      wire.head('PUT / HTTP/1.1', 'Host: x', 'Content-Length: 4000000')
      // Each piece when the one before was taken: however slow this machine is, the window has many of them.
      for (let i = 0; i < 100; i++) {
        wire.send(Buffer.alloc(40_000))
        while (size < (i + 1) * 40_000) await new Promise(setImmediate)
        await new Promise(resolve => setTimeout(resolve, TICK_MS))
      }
      await wire.until(/done/)
      wire.cut()
    })

    it('a client that does not read its response is cut off', async () => {
      await start()
      const closed = gate()
      handle = async ctx => {
        ctx.res.once('close', closed.pass)
        ctx.body = Buffer.alloc(64_000_000)
      }
      const socket = await open()
      socket.pause()
      socket.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n')
      await closed.passed
      socket.destroy()
    })

    it('a body that nobody wants ends the connection soon after the response', async () => {
      await start()
      const wire = await Wire.open(url)
      wire.head('GET /health HTTP/1.1', 'Host: x', 'Content-Length: 100000')
      const trickle = setInterval(() => wire.send('x'), 5)
      expect(await wire.end()).to.match(/^HTTP\/1.1 200 OK/)
      clearInterval(trickle)
    })

    it('a refused client that goes on sending is cut off', async () => {
      await start()
      const wire = await Wire.open(url)
      wire.head('POST / HTTP/1.1', 'Host: x', 'Host: y', 'Content-Length: 100000')
      const trickle = setInterval(() => wire.send('x'), 5)
      expect(await wire.end()).to.match(/^HTTP\/1.1 400 /)
      clearInterval(trickle)
    })

    it('no client is cut off for the time that the server takes', async () => {
      await start()
      const { passed, pass } = gate()
      let ticks = 0
      handle = async ctx => {
        await passed
        ctx.body = 'done'
      }
      const wire = await Wire.open(url)
      wire.head('GET / HTTP/1.1', 'Host: x')
      // More ticks than any deadline has.
      await new Promise<void>(resolve => {
        const counting = setInterval(() => {
          if (++ticks < 200) return
          clearInterval(counting)
          resolve()
        }, TICK_MS)
      })
      pass()
      await wire.until(/done/)
      wire.cut()
    })
  })

  describe('has limits:', () => {
    const two = { maxConnections: 2, maxConnectionsPerAddress: 2 }

    /** A request that stays at work until the returned function is called. */
    async function busy(): Promise<() => void> {
      const begun = gate()
      const { passed, pass } = gate()
      handle = async ctx => {
        begun.pass()
        await passed
        ctx.body = 'done'
      }
      request(url, { agent: false }, res => res.resume())
        .on('error', () => {})
        .end()
      await begun.passed
      return pass
    }

    it('a connection over the limit is answered 503 with Retry-After, and this is reported once', async () => {
      await start(two)
      const passes = [await busy(), await busy()]
      for (let i = 0; i < 5; i++)
        expect(await (await Wire.open(url)).end()).to.match(/^HTTP\/1.1 503 [\s\S]*\r\nRetry-After: \d+\r\n/)
      expect(refused).to.deep.equal([{ refused: 1, open: 2 }])
      for (const pass of passes) pass()
    })

    it('an idle connection makes room for a new one', async () => {
      await start(two)
      const idle = await Wire.open(url)
      idle.head('GET / HTTP/1.1', 'Host: x')
      await idle.until(/200 OK/)
      const pass = await busy()
      // It is idle from the second tick on.
      let received = ''
      for (let i = 0; i < 100 && !received.includes('200 OK'); i++) {
        handle = async ctx => {
          ctx.body = 'new'
        }
        const wire = await Wire.open(url)
        wire.head('GET / HTTP/1.1', 'Host: x', 'Connection: close')
        received = await wire.end()
      }
      expect(received).to.match(/new$/)
      await idle.end()
      pass()
    })

    it('one address has its own limit', async () => {
      await start({ maxConnections: 100, maxConnectionsPerAddress: 1 })
      const pass = await busy()
      expect(await (await Wire.open(url)).end()).to.match(/^HTTP\/1.1 503 /)
      const other = connect({ port: Number(new URL(url).port), host: '127.0.0.1', localAddress: '127.0.0.9' })
      other.write('GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n')
      pass()
      expect(String(await once(other, 'data'))).to.match(/^HTTP\/1.1 200 /)
      other.destroy()
    })
  })
})
