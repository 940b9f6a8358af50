import type { Random } from '../support/random.ts'
import type { HeldBlobs } from './kill-blobs.ts'
import type { TagSet } from './kill-tags.ts'
import { type Content, HungUp, type RegistryClient } from './registry-client.ts'
import type { Tally } from './tally.ts'

/** What all clients of a storage folder share. */
export interface World {
  /** Of the server that runs now. */
  registry: RegistryClient
  /** Whether that server's end has come. */
  killed: boolean
  readonly tally: Tally
  readonly random: Random
  readonly repositories: readonly string[]
  /** What all clients push again and again. */
  readonly contents: readonly Content[]
  /** Tags that all clients write. */
  readonly tags: readonly TagSet[]
  readonly blobs: HeldBlobs
}

/** What something that was pushed must be; `open`: either, a request about it was never answered. */
export type State = 'there' | 'gone' | 'open'

/** A client that outlives the servers it talks to. */
export interface Client {
  /** A request or a few. Throws `HungUp`. */
  act(): Promise<void>
  /** Compares what it was told with what is there, once a server is up again. */
  check(): Promise<void>
}

/** Lets the client act until the server is killed. */
export async function live(client: Client, world: World): Promise<void> {
  try {
    while (!world.killed) await client.act()
  } catch (error) {
    if (!(error instanceof HungUp && world.killed)) throw error
  }
}
