import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'

/** A TCP line to a server, on which answers may come slowly, and which can be hung up. */
export class Line {
  readonly url: string
  readonly #server: Server
  readonly #sockets = new Set<Socket>()

  private constructor(server: Server) {
    this.#server = server
    this.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  }

  /** `rate` in bytes a second, of each connection; Infinity: as fast as it goes. */
  static async open(to: string, rate: number): Promise<Line> {
    const { hostname, port } = new URL(to)
    const server = createServer().listen(0, '127.0.0.1')
    await once(server, 'listening')
    const line = new Line(server)
    server.on('connection', near => {
      const far = connect({ host: hostname, port: Number(port) })
      for (const [one, other] of [
        [near, far],
        [far, near],
      ] as const) {
        line.#sockets.add(one)
        one.on('error', () => {})
        one.on('close', () => {
          line.#sockets.delete(one)
          other.destroy()
        })
      }
      near.on('data', chunk => far.write(chunk))
      far.on('data', async chunk => {
        far.pause()
        if (!near.write(chunk)) await once(near, 'drain').catch(() => {})
        await sleep((chunk.length * 1000) / rate)
        far.resume()
      })
    })
    return line
  }

  close(): void {
    this.#server.close()
    this.hangUp()
  }

  /** Closes all connections, also those that a client keeps open for its next request. */
  hangUp(): void {
    for (const socket of this.#sockets) socket.destroy()
  }
}
