import { readFileSync } from 'node:fs'

/** How the file descriptors of this process are divided. All values are counts. */
export interface DescriptorShares {
  /** What the process may have open (`ulimit -n`); Infinity if there is no limit. */
  readonly limit: number
  /** Kept back for the index, its journal, upstreams, pushes and the process itself. */
  readonly reserved: number
  /** The most client connections that the rest is enough for. */
  readonly connections: number
}

/** Standard streams, event loop, threads, listening socket, locks, log and journal of the index. */
const PROCESS = 40

/** Tables of the index, sockets of upstreams, the second descriptor of a push: a quarter of the rest, and at most this. */
const MOST_SHARED = 256

/** The socket, and the file that its request reads or stages: one request of a connection is at work at a time. */
const PER_CONNECTION = 2

/** Divides the descriptors; by default, those that this process may open now. */
export function shareDescriptors(limit = descriptorLimit()): DescriptorShares {
  const shared = Math.min(MOST_SHARED, Math.floor(Math.max(0, limit - PROCESS) / 4))
  const reserved = PROCESS + shared
  return { limit, reserved, connections: Math.max(0, Math.floor((limit - reserved) / PER_CONNECTION)) }
}

/** How many descriptors have to be allowed for that many connections. */
export function descriptorsFor(connections: number): number {
  return PROCESS + MOST_SHARED + connections * PER_CONNECTION
}

/** The soft limit. /proc is read first because a diagnostic report takes 15 ms of each start. */
function descriptorLimit(): number {
  let soft: string | number | undefined
  try {
    soft = /^Max open files\s+(\S+)/m.exec(readFileSync('/proc/self/limits', 'utf8'))?.[1]
  } catch {
    // Only Linux has it.
  }
  soft ??= (process.report.getReport() as unknown as Report).userLimits?.open_files.soft
  const limit = Number(soft)
  return Number.isFinite(limit) ? limit : Number.POSITIVE_INFINITY
}

/** `userLimits` is missing on Windows, which has no such limit. */
interface Report {
  readonly userLimits?: { readonly open_files: { readonly soft: number | 'unlimited' } }
}
