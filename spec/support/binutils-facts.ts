import { run } from './binutils.ts'

type Facts = Readonly<Record<string, unknown>>

/** Needed libraries, GLIBC versions, build-id and the rest that `readelf` tells; `glibc` is pairs of library and version. */
export function readelfFacts(path: string): Facts {
  const lines = run('readelf', '-W', '-d', '-V', '-n', '-l', '-S', '-h', path)
  const libraries: string[] = []
  const glibc: [string, string][] = []
  let library = ''
  let buildId: string | undefined
  let abi: string | undefined
  let now = false
  let relro = false
  let stack: boolean | undefined
  let symtab = false
  let type = ''
  for (const line of lines) {
    const needed = /\(NEEDED\) +Shared library: \[(.*)\]/.exec(line)?.[1]
    if (needed !== undefined) libraries.push(needed)
    library = /Version: \d+ {2}File: (\S+)/.exec(line)?.[1] ?? library
    const version = /Name: (GLIBC_[\d.]+|GLIBC_ABI_DT_RELR) {2}Flags: (?!.*WEAK)/.exec(line)?.[1]
    if (version !== undefined) glibc.push([library, version])
    buildId ??= /Build ID: ([0-9a-f]+)/.exec(line)?.[1]
    abi ??= /OS: \w+, ABI: ([\d.]+)/.exec(line)?.[1]
    if (/\(BIND_NOW\)|\(FLAGS\).*BIND_NOW|\(FLAGS_1\).*\bNOW\b/.test(line)) now = true
    if (/^ +GNU_RELRO /.test(line)) relro = true
    const flags = /^ +GNU_STACK +0x\S+ 0x\S+ 0x\S+ 0x\S+ 0x\S+ (...)/.exec(line)?.[1]
    if (flags !== undefined) stack = !flags.includes('E')
    if (/^ +\[ *\d+\] \S+ +SYMTAB +\S+ \S+ (?!0+ )/.test(line)) symtab = true
    type = /^ +Type: +(\w+)/.exec(line)?.[1] ?? type
  }
  return {
    libraries,
    glibc,
    stripped: !symtab,
    pie: type === 'DYN',
    nx: stack ?? 'unknown',
    relro: relro ? (now ? 'full' : 'partial') : 'none',
    ...(buildId !== undefined && { build_id: buildId }),
    ...(abi !== undefined && { minimum_os: abi }),
  }
}

/** Imported DLLs and the DLL characteristics, by `objdump`. */
export function objdumpFacts(path: string): Facts {
  const lines = run('objdump', '-p', path)
  const names = lines.flatMap(line => /^\tDLL Name: (\S+)/.exec(line)?.[1] ?? [])
  const characteristics = Number.parseInt(
    lines.flatMap(line => /^DllCharacteristics\t+([0-9a-f]+)/.exec(line)?.[1] ?? [])[0] ?? '0',
    16,
  )
  return {
    libraries: [...new Set(names)].sort(),
    dynamic_base: (characteristics & 0x40) !== 0,
    nx_compat: (characteristics & 0x100) !== 0,
    high_entropy_va: (characteristics & 0x20) !== 0,
    guard_cf: (characteristics & 0x4000) !== 0,
  }
}
