import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import expected from '../../assets/plugins/expected.json' with { type: 'json' }
import type { PluginDescriptor } from '../../src/plugin/descriptor.ts'

/** A file of assets/plugins. */
export type PluginFile = keyof typeof expected

export interface PluginFixture {
  readonly file: PluginFile
  readonly path: string
  /** A new copy each time. */
  readonly bytes: Uint8Array<ArrayBuffer>
  /** What the build wrote down from its own definitions. */
  readonly descriptors: readonly PluginDescriptor[]
}

/** `plugin('libmemflow_coredump-0.2.0.x86_64.so')`: the file and what is in it. */
export function plugin(file: PluginFile): PluginFixture {
  const path = fileURLToPath(new URL(`../../assets/plugins/${file}`, import.meta.url))
  return {
    file,
    path,
    get bytes() {
      return new Uint8Array(readFileSync(path))
    },
    descriptors: expected[file] as PluginDescriptor[],
  }
}

/** Every file of the folder, also the one without a plugin. */
export const PLUGIN_FILES = Object.keys(expected) as PluginFile[]
