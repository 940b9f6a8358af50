/** The texts that clients of the original registry know, and the last one, which it had no need of; the table is closed. */
const TEXTS = {
  'not-executable': 'inventory: file is not a valid executable file',
  'not-found': 'inventory: not found',
  'not-supported': 'inventory: not supported',
  'out-of-bounds': 'inventory: out of bounds',
  encoding: 'inventory: encoding error',
  'too-complex': 'inventory: file is too complex',
} as const

export type PluginErrorKind = keyof typeof TEXTS

/** Why a file is no plugin. The only error that `analyze` throws. */
export class PluginError extends Error {
  override readonly name = 'PluginError'
  readonly kind: PluginErrorKind
  /** What is wrong, in words, for a person to read. */
  readonly reason: string

  constructor(kind: PluginErrorKind, reason: string) {
    super(TEXTS[kind])
    this.kind = kind
    this.reason = reason
  }
}
