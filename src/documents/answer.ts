import { type ErrorName, RegistryError } from '../oci/errors.ts'
import { parseLenientManifest } from '../oci/lenient-manifest.ts'
import { parseManifest, parseObject } from '../oci/manifest.ts'
import type { ManifestLimits } from '../oci/manifest-limits.ts'
import type { JsonLimits } from '../oci/strict-json.ts'
import { type SplitObject, split } from './split.ts'

/** What a thread is asked to parse. */
export interface Task {
  /** In shared memory, which is not copied on its way. */
  readonly bytes: Uint8Array
  readonly as:
    | {
        readonly manifest: ManifestLimits
        readonly contentType: string | undefined
        /** Whether it is a push, which has to fit the schema. */
        readonly strict: boolean
      }
    | { readonly object: JsonLimits }
}

/** What a thread sends back. Plain data: the class of an error does not survive the way. */
export type Answer =
  | { readonly parsed: SplitObject }
  | { readonly refusal: { readonly error: ErrorName; readonly message: string; readonly detail: unknown } }

/** Parses the document. An error that is not about the document passes through, and ends the thread. */
export function answerTo({ bytes, as }: Task): Answer {
  // Shared memory cannot be decoded.
  const own = bytes.slice()
  try {
    return { parsed: split({ ...parse(own, as) }) }
  } catch (error) {
    if (!(error instanceof RegistryError)) throw error
    const { error: name, message, detail } = error
    return { refusal: { error: name, message, detail } }
  }
}

function parse(bytes: Uint8Array, as: Task['as']): object {
  if ('object' in as) return parseObject(bytes, as.object)
  return (as.strict ? parseManifest : parseLenientManifest)(bytes, as.contentType, as.manifest)
}

/** The chunks of an answer, which the receiver can be given without a copy. */
export function transferred(answer: Answer): ArrayBuffer[] {
  if (!('parsed' in answer)) return []
  return answer.parsed.lists.flatMap(({ chunks }) => chunks.map(({ buffer }) => buffer))
}

/** What the answer holds. Throws the `RegistryError` that the thread has thrown. */
export function parsedIn(answer: Answer): SplitObject {
  if ('parsed' in answer) return answer.parsed
  const { error, message, detail } = answer.refusal
  throw new RegistryError(error, { message, detail })
}
