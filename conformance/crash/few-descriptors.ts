import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { Agent, request } from 'node:http'
import { connect, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { expect } from 'chai'
import { launchServer, type Server, TOKEN } from '../support/server.ts'
import { Acknowledged } from './acknowledged.ts'
import { type Answer, HungUp, RegistryClient } from './registry-client.ts'

const LIMIT = 128
const IDLE_CONNECTIONS = 150
/** LevelDB needs a new log after 4 MiB, and the journal a new segment after 8 MiB. */
const PUSHES = 48
const LARGE = 512 * 1024

/** Keeps one connection, because there may be no descriptor for another one. */
class OneConnection extends RegistryClient {
  readonly #agent = new Agent({ keepAlive: true, maxSockets: 1 })

  override ask(
    method: string,
    path: string,
    body?: Buffer | FormData,
    headers: Record<string, string> = { 'content-type': 'application/octet-stream' },
  ): Promise<Answer> {
    return new Promise((resolve, reject) => {
      const bytes = Buffer.isBuffer(body) ? body : undefined
      const asking = request(
        new URL(path, this.url),
        {
          method,
          agent: this.#agent,
          headers: {
            authorization: `Bearer ${TOKEN}`,
            ...(bytes && { ...headers, 'content-length': bytes.length }),
          },
        },
        response => {
          const chunks: Buffer[] = []
          response.on('data', chunk => chunks.push(chunk))
          response.on('error', cause => reject(new HungUp(`${method} ${path}: ${cause}`, { cause })))
          response.on('end', () => {
            const told = Object.entries(response.headers).map(([name, value]) => [name, `${value}`])
            resolve({
              status: response.statusCode ?? 0,
              bytes: Buffer.concat(chunks),
              headers: new Headers(told as [string, string][]),
            })
          })
        },
      )
      asking.on('error', cause => reject(new HungUp(`${method} ${path}: ${cause}`, { cause })))
      asking.end(bytes)
    })
  }

  close(): void {
    this.#agent.destroy()
  }
}

describe(`${LIMIT} descriptors and ${IDLE_CONNECTIONS} idle connections`, () => {
  const acknowledged = new Acknowledged()
  const idle: Socket[] = []
  let folder = ''
  let server: Server
  let registry: OneConnection

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'few-descriptors-'))
    server = await launchServer(folder, { MEMFLOW_LOG: 'error' }, ['prlimit', `--nofile=${LIMIT}`])
    await server.ready()
    registry = new OneConnection(server.url)
    for (let i = 0; i < 5; i++) expect(await acknowledged.push(registry, 100_000)).to.equal(201)
  })

  after(async () => {
    for (const socket of idle) socket.destroy()
    registry?.close()
    await server?.stop()
    await rm(folder, { recursive: true, force: true })
  })

  const descriptors = async () => (await readdir(`/proc/${server.pid}/fd`)).length

  /** Connects, and whatever the server closes again it closes. */
  async function takeDescriptors(): Promise<void> {
    const { port, hostname } = new URL(server.url)
    for (let i = 0; i < IDLE_CONNECTIONS; i++) {
      const socket = connect(Number(port), hostname)
      socket.on('error', () => {})
      idle.push(socket)
    }
    await sleep(500)
  }

  it('reads everything, and pushes or says why not', async () => {
    await takeDescriptors()
    console.log(`      ${await descriptors()} descriptors are open`)
    const statuses = new Map<number | string, number>()
    for (let i = 0; i < PUSHES; i++) {
      const status = await acknowledged.pushText(registry, LARGE).catch(error => {
        if (error instanceof HungUp) return 'hung up'
        throw error
      })
      statuses.set(status, (statuses.get(status) ?? 0) + 1)
      expect(status, server.log()).to.be.oneOf([201, 503, 507])
      if (i % 8 === 0) await acknowledged.check(registry)
      expect((await registry.get('/health')).status).to.equal(200)
    }
    console.log(`      pushes: ${[...statuses].map(([status, count]) => `${count} x ${status}`).join(', ')}`)
    await acknowledged.check(registry)
  })

  it('pushes again when there are descriptors, without a restart', async () => {
    for (const socket of idle.splice(0)) socket.destroy()
    let status = 0
    while (status !== 201) status = await acknowledged.push(registry, 100_000)
    while ((await registry.get('/ready')).status !== 200) await sleep(50)
    await acknowledged.check(registry)
    expect((await readdir(server.storage)).filter(name => name.startsWith('index'))).to.deep.equal(['index'])
  })

  it('has it all after a restart', async () => {
    await server.stop()
    registry.close()
    server = await launchServer(folder, { MEMFLOW_LOG: 'error' })
    await server.ready()
    registry = new OneConnection(server.url)
    await acknowledged.check(registry)
  })
})
