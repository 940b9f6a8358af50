import { openStore } from '../compose.ts'
import { type Config, ConfigError } from '../config.ts'
import { type Scrubbed, scrub } from '../core/scrub.ts'
import { formatSize } from '../lib/format-size.ts'
import { Pace } from '../lib/pace.ts'
import { parseSize } from '../lib/units.ts'
import { hexOf } from '../oci/digest.ts'
import type { Damage } from '../store/inspector.ts'
import { EXIT } from './exit-code.ts'
import { ScrubCursor, type ScrubState } from './scrub-cursor.ts'
import { StatusLine } from './status-line.ts'
import { requireStorage } from './storage.ts'

/** How often the cursor is written, in milliseconds. */
const SAVE_EVERY = 1000

/**
 * Reads all blobs, also while they are served, and takes the damaged ones out of service.
 * A scrub that is stopped goes on where it was, unless it is to restart. Throws `ConfigError`.
 */
export async function scrubCommand(
  config: Config,
  options: { rate: string; restart?: boolean },
): Promise<void> {
  const rate = parseRate(options.rate)
  await requireStorage(config)
  const cursor = new ScrubCursor(config.storageRoot)
  if (options.restart) await cursor.clear()
  const status = new StatusLine()
  const print = (line: string) => {
    status.clear()
    process.stdout.write(`${line}\n`)
  }
  const store = await openStore(config, damage => print(findingOf(damage)))
  const state = await cursor.load()
  if (state.after) print(`going on at ${positionOf(state)}`)

  const stop = new AbortController()
  const onSignal = () => stop.abort()
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, onSignal)
  const pace = new Pace(rate, stop.signal)
  let saved = performance.now()
  let reading = 0
  try {
    const spend = async (bytes: number) => {
      reading += bytes
      status.show(() => `${positionOf(state)}  ${sumOf({ ...state, bytes: state.bytes + reading })}`)
      await pace.spend(bytes)
    }
    for await (const scrubbed of scrub(store, spend, state.after)) {
      count(state, scrubbed)
      reading = 0
      if (scrubbed.outcome === 'unreadable')
        print(`unreadable: ${scrubbed.digest}; the medium fails, see the system's log`)
      if (performance.now() - saved < SAVE_EVERY) continue
      await cursor.save(state)
      saved = performance.now()
    }
  } catch (error) {
    if (!stop.signal.aborted) throw error
    await cursor.save(state)
    print(`stopped at ${positionOf(state)}, scrub again to go on: ${sumOf(state)}`)
    process.exitCode = EXIT.STOPPED
    return
  } finally {
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.off(signal, onSignal)
  }
  await cursor.clear()
  print(sumOf(state))
  if (state.damaged + state.unreadable > 0) process.exitCode = EXIT.FINDINGS
}

function parseRate(text: string): number {
  const rate = parseSize(text.replace(/\/s$/, ''))
  if (rate) return rate
  throw new ConfigError(`--rate: ${JSON.stringify(text)} is not a rate such as 50MiB/s`)
}

function count(state: ScrubState, { digest, size, outcome }: Scrubbed): void {
  state.after = digest
  state.blobs++
  state.bytes += size
  if (outcome !== 'whole') state[outcome]++
}

export function findingOf({ digest, size, quarantined, failure }: Damage): string {
  const where = quarantined
    ? `moved to ${quarantined}, push it again`
    : failure instanceof Error
      ? `not moved: ${failure.message}`
      : 'replaced already'
  return `damaged: ${digest} (${formatSize(size)}), ${where}`
}

/** Digests are spread evenly, so the last one tells how much of its algorithm's is done. */
function positionOf({ after }: ScrubState): string {
  if (!after) return '0 %'
  const part = Number.parseInt(hexOf(after).slice(0, 6), 16) / 0xffffff
  return `${after.slice(0, 6)} ${Math.floor(part * 100)} %`
}

function sumOf({ blobs, bytes, damaged, unreadable }: ScrubState): string {
  const bad = damaged + unreadable === 0 ? 'all whole' : `${damaged} damaged, ${unreadable} unreadable`
  return `${blobs} blobs, ${formatSize(bytes)}: ${bad}`
}
