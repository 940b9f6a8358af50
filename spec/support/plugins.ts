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

/** What a plugin of which there is no binary tells of itself. */
export const DESCRIPTOR: PluginDescriptor = {
  plugin_kind: 'connector',
  export_name: 'MEMFLOW_CONNECTOR_X',
  file_type: 'elf',
  architecture: 'x86_64',
  plugin_version: 1,
  name: 'x',
  version: '0.2.0',
  description: 'what it is for',
}

/** Every file of the folder, also the one without a plugin. */
export const PLUGIN_FILES = Object.keys(expected) as PluginFile[]
