import { randomBytes } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { ChaosAgent } from './chaos-agent.ts'
import { head, RawSocket, WAYS_TO_CUT } from './chaos-socket.ts'
import type { World } from './chaos-world.ts'
import { contentOf } from './registry-client.ts'

const MIB = 2 ** 20
const BOUNDARY = 'a-boundary'

type Cut = (socket: RawSocket) => Promise<void>

/** Connections that are cut in the middle of something, or are slow. Each leaves nothing in the server. */
export class ChaosCutter extends ChaosAgent {
  readonly #url: string
  /** Paths of large blobs, which stay there. */
  readonly #blobs: readonly string[]
  readonly #cuts: Readonly<Record<string, Cut>>

  constructor(world: World, name: string, url: string, blobs: readonly string[]) {
    super(world, name)
    this.#url = url
    this.#blobs = blobs
    this.#cuts = {
      'idle connection': () => sleep(this.random.below(1500)),
      'in the head of a request': async socket => {
        const text = head('GET', this.#blob())
        socket.write(text.slice(0, 1 + this.random.below(text.length - 1)))
        await sleep(this.random.below(100))
      },
      'pipelined GETs': socket => this.#pipelined(socket),
      download: async socket => {
        socket.write(head('GET', this.#blob()))
        await socket.receive(1 + this.random.below(MIB), 1000)
      },
      range: async socket => {
        const start = this.random.below(60_000)
        socket.write(head('GET', this.#blob(), { Range: `bytes=${start}-` }))
        await socket.receive(1 + this.random.below(60_000), 1000)
      },
      'slow reader': async socket => {
        socket.write(head('GET', this.#blob()))
        for (let turns = this.random.below(12); turns > 0 && !socket.closed; turns--) {
          socket.pause()
          await sleep(200)
          socket.resume()
          await sleep(1)
        }
      },
      'upload in one request': socket => this.#body(socket, 'POST', `${this.#uploads()}?digest=${digest()}`),
      'upload in a chunk': socket => this.#chunk(socket),
      manifest: socket =>
        this.#body(socket, 'PUT', `/v2/${this.#repository()}/manifests/cut`, {
          'Content-Type': 'application/vnd.oci.image.manifest.v1+json',
        }),
      form: socket => this.#form(socket),
      'slow sender': async socket => {
        socket.write(head('POST', `${this.#uploads()}?digest=${digest()}`, { 'Content-Length': 100_000 }))
        for (let bytes = this.random.below(20); bytes > 0 && !socket.closed; bytes--) {
          socket.write('x')
          await sleep(100)
        }
      },
      'chunked body': async socket => {
        socket.write(
          head('POST', `${this.#uploads()}?digest=${digest()}`, { 'Transfer-Encoding': 'chunked' }),
        )
        socket.write(`10000\r\n${'x'.repeat(this.random.below(65_536))}`)
        await sleep(this.random.below(50))
      },
      'before 100 Continue': async socket => {
        const headers = { Expect: '100-continue', 'Content-Length': 1000 }
        socket.write(head('POST', `${this.#uploads()}?digest=${digest()}`, headers))
        await sleep(this.random.below(50))
      },
      'backup stream': async socket => {
        socket.write(head('GET', '/ops/backup'))
        await socket.receive(1 + this.random.below(5000), 1000)
      },
      token: async socket => {
        socket.write(head('GET', '/token?service=registry&scope=repository:one:pull').repeat(5))
        await sleep(this.random.below(10))
      },
    }
  }

  async act(): Promise<void> {
    const kind = this.random.of(Object.keys(this.#cuts))
    const how = this.random.of(WAYS_TO_CUT)
    const { tally, events } = this.world
    const localAddress = `127.1.${this.random.below(250)}.${1 + this.random.below(250)}`
    const socket = await RawSocket.open(this.#url, localAddress)
    if (!socket) {
      tally.count('cuts: no connection to cut')
      await sleep(50)
      return
    }
    await this.#cuts[kind]?.(socket)
    events.note(`${this.name} cuts (${how}): ${kind}`)
    tally.count(`cuts: ${kind}, ${socket.closed ? 'by the server' : how}`)
    await socket.cut(how)
    await sleep(this.random.below(50))
  }

  /** Many GETs on one connection, of which a few answers are read, or none. */
  async #pipelined(socket: RawSocket): Promise<void> {
    const some = this.random.of([2, 5, 20, 60])
    for (let i = 0; i < some; i++) socket.write(head(this.random.oneIn(6) ? 'HEAD' : 'GET', this.#blob()))
    if (this.random.oneIn(3)) socket.pause()
    await socket.receive(this.random.below(3 * MIB), this.random.below(200))
  }

  async #body(
    socket: RawSocket,
    method: string,
    path: string,
    headers: Record<string, string> = {},
  ): Promise<void> {
    const length = 2 + this.random.below(this.random.oneIn(3) ? 2 * MIB : 50_000)
    socket.write(head(method, path, { ...headers, 'Content-Length': length }))
    socket.write(randomBytes(this.random.below(length - 1)))
    await sleep(this.random.below(50))
  }

  async #chunk(socket: RawSocket): Promise<void> {
    const begun = await this.registry.ask('POST', this.#uploads()).catch(() => undefined)
    const location = begun?.headers.get('location')
    if (location) await this.#body(socket, 'PATCH', location)
  }

  async #form(socket: RawSocket): Promise<void> {
    const part = `--${BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="x"\r\n\r\n`
    const type = `multipart/form-data; boundary=${BOUNDARY}`
    socket.write(head('POST', '/files', { 'Content-Type': type, 'Content-Length': MIB }))
    socket.write(part)
    socket.write(randomBytes(this.random.below(MIB / 2)))
    await sleep(this.random.below(50))
  }

  #blob(): string {
    return this.random.of(this.#blobs)
  }

  #repository(): string {
    return this.random.of(this.world.repositories)
  }

  #uploads(): string {
    return `/v2/${this.#repository()}/blobs/uploads/`
  }
}

/** Of something that is never sent. */
function digest(): string {
  return contentOf(randomBytes(16)).digest
}
