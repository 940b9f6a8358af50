/**
 * What each release of memflow asks of a plugin. Sources, tag by tag, in docs/compatibility.md: memflow/Cargo.toml
 * for cglue and abi_stable, memflow/src/plugins/mod.rs for the ABI, and where the loader looks for exports.
 */
export interface MemflowRelease {
  readonly version: string
  /** MEMFLOW_PLUGIN_VERSION: a plugin of another one is refused. */
  readonly abi: number
  /** The requirement in Cargo.toml. What begins with `=` is the only version that programs can have. */
  readonly cglue: string
  readonly abi_stable: string
  /** Where an ELF file must tell of its plugins: its table of all symbols, or relocations found by section headers. */
  readonly finds: 'symtab' | 'section headers'
}

// Until 0.2.1 cargo chose the newest cglue, and programs and plugins that were built at different times did not fit.
const OPEN = { abi: 1, cglue: '>=0.2.10', abi_stable: '=0.10.3', finds: 'symtab' } as const
const PINNED = { abi: 1, cglue: '=0.2.14', abi_stable: '=0.10.3', finds: 'section headers' } as const
const BETA = { abi: -9, cglue: '>=0.2.10', abi_stable: '^0.10.3', finds: 'symtab' } as const

/** Newest first. 0.1 has another kind of plugins. */
export const RELEASES: readonly MemflowRelease[] = [
  { version: '0.2.4', ...PINNED },
  { version: '0.2.3', ...PINNED },
  { version: '0.2.2', ...PINNED },
  { version: '0.2.1', ...OPEN },
  { version: '0.2.0', ...OPEN },
  { version: '0.2.0-beta11', ...BETA, abi_stable: '=0.10.3' },
  { version: '0.2.0-beta10', ...BETA },
  { version: '0.2.0-beta9', ...BETA },
  { version: '0.2.0-beta8', ...BETA },
  { version: '0.2.0-beta7', ...BETA },
  { version: '0.2.0-beta6', ...BETA, abi: -8 },
  { version: '0.2.0-beta5', ...BETA, abi: -8 },
  { version: '0.2.0-beta4', ...BETA, abi: -8 },
  { version: '0.2.0-beta3', ...BETA, abi: -8 },
  { version: '0.2.0-beta2', ...BETA, abi: -8, cglue: '>=0.2.8' },
  { version: '0.2.0-beta1', ...BETA, abi: -8, cglue: '>=0.2.5' },
]

/** Undefined where the table does not have it. */
export function releaseOf(version: string): MemflowRelease | undefined {
  return RELEASES.find(release => release.version === version)
}
