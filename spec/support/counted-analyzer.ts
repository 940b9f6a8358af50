import type { Analyzer } from '../../src/core/parts.ts'
import { IN_PROCESS } from './registry.ts'

/** An analyzer that counts the work it was given. */
export class CountedAnalyzer implements Analyzer {
  examined = 0
  /** Bytes of archives, unpacked. */
  bytes = 0
  /** Of each archive that was searched, in their order. */
  readonly owners: (string | undefined)[] = []

  get unpacked(): number {
    return this.owners.length
  }

  readonly examine: Analyzer['examine'] = file => {
    this.examined++
    return IN_PROCESS.examine(file)
  }

  readonly unpack: Analyzer['unpack'] = async (open, options, onPlugin, owner) => {
    this.owners.push(owner)
    const unpacked = await IN_PROCESS.unpack(open, options, onPlugin)
    this.bytes += unpacked.bytes
    return unpacked
  }
}
