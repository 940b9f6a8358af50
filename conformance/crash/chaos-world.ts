import type { Random } from '../support/random.ts'
import type { EventLog } from './chaos-events.ts'
import type { FaultTimes } from './chaos-fault-times.ts'
import type { Judge } from './chaos-judge.ts'
import type { ChaosLedger } from './chaos-ledger.ts'
import type { ChaosRequests } from './chaos-requests.ts'
import type { Content } from './registry-client.ts'
import type { Tally } from './tally.ts'

/** What all agents of a run share. */
export interface World {
  readonly tally: Tally
  readonly events: EventLog
  readonly faults: FaultTimes
  readonly judge: Judge
  readonly ledger: ChaosLedger
  readonly repositories: readonly string[]
  /** Blobs that all clients push repeatedly. */
  readonly contents: readonly Content[]
  /** Of blobs that no manifest names, in milliseconds. */
  readonly grace: number
  /** A client of the registry with an address of its own. */
  connect(): ChaosRequests
  /** Numbers of one agent alone, so that they do not depend on the turns of the others. */
  random(): Random
}

/** Acts at random until the run ends. */
export interface Agent {
  readonly name: string
  /** One request, or a few. */
  act(): Promise<void>
  /** Closes its connections. */
  close(): void
}
