import { PluginError, type PluginErrorKind } from '../plugin/error.ts'
import { type Examination, examine } from '../plugin/examine.ts'
import type { ArchivedPlugin, Unpacked, UnpackOptions } from './unpack.ts'

/**
 * What a thread is sent: a file to examine, an archive to unpack, and while it unpacks the number of bytes that are in
 * `piece` now (0: the archive has ended, or nothing was asked for).
 */
export type Request = Uint8Array | { readonly options: UnpackOptions; readonly piece: Uint8Array } | number

/** What a thread sends back. Plain data, because an error's class does not survive the way. */
export type Answer =
  | { readonly examination: Examination }
  | { readonly refusal: { readonly kind: PluginErrorKind; readonly reason: string } }
  /** Wants the next bytes of the archive. */
  | 'more'
  /** Goes on when it gets a reply, and uses the memory of the plugin again. */
  | { readonly plugin: ArchivedPlugin }
  | { readonly unpacked: Unpacked }

/** Examines the file. What is thrown beside a PluginError passes through, and ends the thread. */
export function answerTo(file: Uint8Array): Answer {
  try {
    return { examination: examine(file) }
  } catch (error) {
    if (!(error instanceof PluginError)) throw error
    return { refusal: { kind: error.kind, reason: error.reason } }
  }
}

/** What the answer says. Throws `PluginError`. */
export function examinationIn(answer: Answer): Examination {
  if (typeof answer === 'object' && 'examination' in answer) return answer.examination
  if (typeof answer === 'object' && 'refusal' in answer)
    throw new PluginError(answer.refusal.kind, answer.refusal.reason)
  throw outOfTurn()
}

export function outOfTurn(): Error {
  return new Error("the analyzer's thread answered out of turn")
}
