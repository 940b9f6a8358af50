import type { Client, World } from './kill-world.ts'
import { type Content, contentOf } from './registry-client.ts'

interface Session {
  readonly repository: string
  readonly location: string
  readonly content: Content
  /** Bytes that the registry has said that it has. */
  offset: number
  state: 'going' | 'ending' | 'ended'
}

/** Uploads large blobs in parts, and goes on after every crash where the registry says that it stands. */
export class SessionClient implements Client {
  readonly #world: World
  readonly #name: string
  readonly #sessions: Session[] = []
  #made = 0

  constructor(world: World, name: string) {
    this.#world = world
    this.#name = name
  }

  get #going(): Session[] {
    return this.#sessions.filter(({ state }) => state === 'going')
  }

  async act(): Promise<void> {
    const { random } = this.#world
    if (this.#going.length < 3) return this.#begin()
    const session = random.of(this.#going)
    const left = session.content.bytes.length - session.offset
    const part = 2 + random.below(random.oneIn(4) ? 1_500_000 : 200_000)
    await (part < left ? this.#send(session, part) : this.#end(session))
  }

  async check(): Promise<void> {
    for (const session of this.#sessions) if (session.state !== 'ended') await this.#checkOne(session)
  }

  /** Ends all but one of the uploads that are under way. */
  async finish(): Promise<void> {
    for (const session of this.#going.slice(1)) await this.#end(session)
  }

  async #begin(): Promise<void> {
    const { registry, random, repositories, tally } = this.#world
    const repository = random.of(repositories)
    const { status, headers } = await registry.ask('POST', `/v2/${repository}/blobs/uploads/`)
    tally.check(status === 202, `failed: POST of an upload -> ${status}`)
    const content = contentOf(Buffer.alloc(2 + random.below(2_000_000), `${this.#name} ${this.#made++}`))
    const location = (headers.get('location') ?? '').replace(/\?.*$/, '')
    this.#sessions.push({ repository, location, content, offset: 0, state: 'going' })
  }

  async #send(session: Session, length: number): Promise<void> {
    const { registry, tally } = this.#world
    const { location, content, offset } = session
    const end = offset + length
    const headers = { 'content-range': `${offset}-${end - 1}`, 'content-type': 'application/octet-stream' }
    const sent = await registry.ask('PATCH', location, content.bytes.subarray(offset, end), headers)
    const range = sent.headers.get('range')
    const right = sent.status === 202 && range === `0-${end - 1}`
    tally.check(right, `failed: PATCH from ${offset} to ${end} -> ${sent.status} ${range} ${sent.bytes}`)
    if (right) session.offset = end
    tally.count('parts uploaded')
  }

  /** With the rest of the bytes. */
  async #end(session: Session): Promise<void> {
    const { registry, tally, blobs } = this.#world
    const { repository, location, content, offset } = session
    const since = performance.now()
    session.state = 'ending'
    const rest = content.bytes.subarray(offset)
    const { status, bytes } = await registry.ask('PUT', `${location}?digest=${content.digest}`, rest)
    tally.check(status === 201, `failed: PUT from ${offset} -> ${status} ${bytes}`)
    session.state = 'ended'
    if (status === 201) blobs.acknowledge(repository, content.digest, since)
    tally.count('uploads ended')
  }

  /** It goes on, no byte less than before; or it has become the blob, where that was asked for. */
  async #checkOne(session: Session): Promise<void> {
    const { registry, tally, blobs } = this.#world
    const { repository, location, content, state } = session
    const { status, headers } = await registry.get(location)
    tally.count('checks of uploads')
    if (status === 204) {
      const found = offsetOf(headers.get('range') ?? '')
      const right = found >= session.offset && found <= content.bytes.length
      tally.check(right, `shrank: the upload ${location} from ${session.offset} to ${found}`)
      if (found > session.offset) tally.count('cut parts, of which bytes are there')
      Object.assign(session, { offset: found, state: 'going' })
      return
    }
    const right = status === 404 && state === 'ending'
    tally.check(right, `shrank: the upload ${location} at ${session.offset}, ${state}, is ${status}`)
    session.state = 'ended'
    // Between its bytes and its row a blob is nobody's: then the client begins again.
    const there = await registry.has(repository, content.digest)
    if (!there)
      tally.check((await registry.push(repository, content)) === 201, `failed: ${location}, pushed again`)
    blobs.acknowledge(repository, content.digest, performance.now())
    tally.count(`cut ends of uploads: ${there ? 'there' : 'to begin again'}`)
  }
}

/** `0-0` is said of no byte and of one; here no part is of one byte. */
function offsetOf(range: string): number {
  const last = Number(range.split('-')[1])
  return last === 0 ? 0 : last + 1
}
