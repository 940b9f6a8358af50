import type { Readable } from 'node:stream'
import { giveBack } from '../lib/chunk-pool.ts'
import type { WorkerThread } from '../lib/worker-thread.ts'
import { type Answer, outOfTurn, type Request } from './answer.ts'
import type { ArchivedPlugin, Unpacked, UnpackOptions } from './unpack.ts'

/** Bytes of an archive in one message. Of gzip they unpack to 128 MiB at most, which takes a fraction of the time limit. */
const PIECE_BYTES = 128 * 1024

/**
 * Searches an archive in a thread of the analyzer; `onPlugin` gets each plugin in it, and its bytes until it resolves.
 * Throws `PluginError` for a plugin that costs more than the limits, and as the source does; then the thread has ended.
 */
export async function unpackIn(
  thread: WorkerThread,
  source: Readable,
  options: UnpackOptions,
  onPlugin: (plugin: ArchivedPlugin) => Promise<void>,
): Promise<Unpacked> {
  const piece = Buffer.from(new SharedArrayBuffer(PIECE_BYTES))
  const pieces = inPieces(source)
  let request: Request = { options, piece }
  try {
    for (;;) {
      const answer = (await thread.ask(request)) as Answer
      if (answer === 'more') {
        const { value } = await pieces.next()
        if (value) piece.set(value)
        request = value?.length ?? 0
      } else if ('plugin' in answer) {
        await onPlugin(answer.plugin)
        request = 0
      } else if ('unpacked' in answer) return answer.unpacked
      else throw outOfTurn()
    }
  } catch (error) {
    // The thread still waits for a reply.
    await thread.end(error as Error)
    throw error
  } finally {
    source.destroy()
  }
}

/** The source in pieces of at most `PIECE_BYTES`, none of them empty. Takes the chunks over. */
async function* inPieces(source: Readable): AsyncGenerator<Uint8Array, undefined> {
  for await (const chunk of source) {
    for (let at = 0; at < chunk.length; at += PIECE_BYTES) yield chunk.subarray(at, at + PIECE_BYTES)
    giveBack(chunk)
  }
  return undefined
}
