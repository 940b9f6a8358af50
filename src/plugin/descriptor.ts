/** What memflow calls the two families of plugins, by the prefix of their export. */
export type PluginKind = 'connector' | 'os'

export type FileType = 'pe' | 'elf' | 'mach'

export const ARCHITECTURES = ['x86', 'x86_64', 'arm', 'arm64'] as const

/** `{unknown}` carries the machine number of the file's header. */
export type Architecture = (typeof ARCHITECTURES)[number] | { readonly unknown: number }

/** One exported plugin of a binary; the order of the fields is the order in the REST API's JSON. */
export interface PluginDescriptor {
  readonly plugin_kind: PluginKind
  readonly export_name: string
  readonly file_type: FileType
  readonly architecture: Architecture
  /** The memflow ABI number, an i32; betas are negative. */
  readonly plugin_version: number
  readonly name: string
  readonly version: string
  readonly description: string
}

/**
 * What a text may be. A name is part of a plugin's URI, `[registry/]name[:version]`, and of file names;
 * nothing here may fool a terminal, a path or a page.
 */
export const PLUGIN_TEXTS = {
  name: /^(?!\.{1,2}$)[^\p{C}\p{Z}/\\:@?#%]{1,128}$/u,
  version: /^[^\p{C}\p{Z}/\\]{0,128}$/u,
  description: /^(?:[^\p{Cc}]|[\t\n\r])*$/u,
} as const

/** Whether a plugin may have these texts. */
export function isSound({ name = '', version = '', description = '' }: Partial<PluginDescriptor>): boolean {
  return (
    PLUGIN_TEXTS.name.test(name) &&
    PLUGIN_TEXTS.version.test(version) &&
    PLUGIN_TEXTS.description.test(description)
  )
}
