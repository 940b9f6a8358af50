import type { DurableDisk } from './durable.ts'
import type { FreeSpace } from './free-space.ts'
import type { Inspector } from './inspector.ts'
import type { Layout } from './layout.ts'

/** What a store of files and its uploads share. */
export interface FsParts {
  readonly disk: DurableDisk
  readonly layout: Layout
  readonly space: FreeSpace
  readonly inspector: Inspector
}
