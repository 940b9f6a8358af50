import type { Socket } from 'node:net'
import { Connection, type Deadlines, type Handle } from './connection.ts'
import { networkOf } from './network.ts'

export interface ConnectionLimits {
  readonly maxConnections: number
  /** Of one IPv4 address or one IPv6 /64. */
  readonly maxConnectionsPerAddress: number
}

/** Told of the connections that were turned away since the last report, and of those open now. */
export type ReportRefused = (counts: { readonly refused: number; readonly open: number }) => void

/** Refusals are reported at most once in so many ticks. */
const REPORT_TICKS = 60

const REFUSAL =
  'HTTP/1.1 503 Service Unavailable\r\nContent-Type: text/plain\r\nContent-Length: 23\r\n' +
  'Retry-After: 5\r\nConnection: close\r\n\r\nthere are too many now\n'

/** All connections of a server. The longest idle ones are closed to make room for new ones. */
export class Connections {
  readonly #limits: ConnectionLimits
  readonly #deadlines: Deadlines
  readonly #handle: Handle
  readonly #report: ReportRefused
  readonly #open = new Map<Socket, Connection>()
  readonly #perNetwork = new Map<string, number>()
  /** The longest idle one last; undefined until it is needed, at most once a tick. */
  #idle: Connection[] | undefined
  #refused = 0
  #ticksToReport = 0

  constructor(limits: ConnectionLimits, deadlines: Deadlines, handle: Handle, report: ReportRefused) {
    this.#limits = limits
    this.#deadlines = deadlines
    this.#handle = handle
    this.#report = report
  }

  get size(): number {
    return this.#open.size
  }

  /** Takes the connection, or turns it away if there are too many and none of them is idle. */
  add(socket: Socket): void {
    const network = networkOf(socket.remoteAddress ?? '')
    const { maxConnections, maxConnectionsPerAddress } = this.#limits
    const fits =
      ((this.#perNetwork.get(network) ?? 0) < maxConnectionsPerAddress || this.#makeRoom(network)) &&
      (this.#open.size < maxConnections || this.#makeRoom())
    if (!fits) {
      this.#turnAway(socket)
      return
    }
    this.#open.set(socket, new Connection(socket, this.#handle, this.#deadlines))
    this.#perNetwork.set(network, (this.#perNetwork.get(network) ?? 0) + 1)
    socket.once('close', () => this.#remove(socket, network))
  }

  /** Undefined if the connection was turned away. */
  of(socket: Socket): Connection | undefined {
    return this.#open.get(socket)
  }

  /** To be called about once a second. */
  tick(): void {
    this.#idle = undefined
    for (const connection of this.#open.values()) connection.tick()
    if (this.#ticksToReport > 0) this.#ticksToReport--
    this.#reportRefused()
  }

  #remove(socket: Socket, network: string): void {
    if (!this.#open.delete(socket)) return
    const left = (this.#perNetwork.get(network) ?? 0) - 1
    if (left > 0) this.#perNetwork.set(network, left)
    else this.#perNetwork.delete(network)
  }

  /** Closes the longest idle connection, of that network if one is given; false if none is idle. */
  #makeRoom(network?: string): boolean {
    this.#idle ??= this.#findIdle()
    for (let i = this.#idle.length - 1; i >= 0; i--) {
      const connection = this.#idle[i] as Connection
      const { socket } = connection
      // It may have sent a request since, or be closed.
      const gone = connection.idleTicks === undefined || socket.destroyed
      if (!gone && network !== undefined && networkOf(socket.remoteAddress ?? '') !== network) continue
      this.#idle.splice(i, 1)
      if (gone) continue
      // At once: its event comes after the new connection was counted.
      this.#remove(socket, networkOf(socket.remoteAddress ?? ''))
      socket.destroy()
      return true
    }
    return false
  }

  #findIdle(): Connection[] {
    const since = (connection: Connection) => connection.idleTicks ?? 0
    return [...this.#open.values()].filter(one => since(one) > 0).sort((a, b) => since(a) - since(b))
  }

  #turnAway(socket: Socket): void {
    socket.end(REFUSAL, () => socket.destroy())
    this.#refused++
    this.#reportRefused()
  }

  #reportRefused(): void {
    if (this.#refused === 0 || this.#ticksToReport > 0) return
    this.#report({ refused: this.#refused, open: this.#open.size })
    this.#refused = 0
    this.#ticksToReport = REPORT_TICKS
  }
}
