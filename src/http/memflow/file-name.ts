import type { PluginDescriptor } from '../../plugin/descriptor.ts'

const FORMS = { elf: ['lib', 'so'], mach: ['lib', 'dylib'], pe: ['', 'dll'] } as const

/** The name that a downloaded plugin is saved under, such as libmemflow_coredump-0.2.0.x86_64.so. */
export function fileNameOf([plugin]: readonly PluginDescriptor[]): string | undefined {
  if (!plugin) return undefined
  const { architecture, file_type, name, version } = plugin
  const [prefix, extension] = FORMS[file_type]
  const system = typeof architecture === 'string' ? `.${architecture}` : ''
  const plain = `${prefix}memflow_${name}-${version}${system}.${extension}`
  // RFC 6266, 4.3: other characters are understood differently by clients.
  return plain.replaceAll(/[^A-Za-z0-9._+-]/gu, '_')
}
