import { PluginError, type PluginErrorKind } from '../plugin/error.ts'
import { type Examination, examine } from '../plugin/examine.ts'

/** What a thread sends back for a file. Plain data: an error's class does not survive the way. */
export type Answer =
  | { readonly examination: Examination }
  | { readonly refusal: { readonly kind: PluginErrorKind; readonly reason: string } }

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
  if ('examination' in answer) return answer.examination
  throw new PluginError(answer.refusal.kind, answer.refusal.reason)
}
