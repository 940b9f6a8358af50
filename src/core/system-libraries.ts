import type { ImageFacts } from '../plugin/facts.ts'

// Libraries that every system of a kind has, so that nobody has to name them.

/** The shared objects of glibc and of musl, which has one; their loaders. */
const LIBC = [
  /^ld-linux.*\.so\.\d$|^ld64\.so\.\d$|^ld-musl-.*\.so\.1$|^libc\.musl-.*\.so\.1$/,
  /^lib(c|m)\.so\.6(\.1)?$|^lib(dl|util|resolv|nsl)\.so\.[12]$|^lib(rt|anl|mvec)\.so\.1$|^libpthread\.so\.0$/,
]

/** LSB Core 5.0 has it beside glibc, and Rust's standard library needs it. Where musl is, it is a package. */
const LSB = [...LIBC, /^libgcc_s\.so\.1$/]

/** What a Windows 10 brings by itself; the runtimes of Visual C++ it does not. Names in lower case. */
const WINDOWS = [
  /^(api|ext)-ms-(win|onecore)-/,
  /^(kernel32|kernelbase|ntdll|user32|gdi32|advapi32|sechost|rpcrt4|msvcrt|ucrtbase|combase|ole32|oleaut32)\.dll$/,
  /^(shell32|shlwapi|userenv|psapi|ws2_32|mswsock|iphlpapi|dnsapi|netapi32|wldap32|winhttp|wininet)\.dll$/,
  /^(bcrypt|bcryptprimitives|ncrypt|crypt32|secur32|cryptbase|wintrust|imagehlp|dbghelp|version|winmm)\.dll$/,
  /^(setupapi|cfgmgr32|powrprof|pdh|propsys|comctl32|comdlg32|imm32|mpr|wtsapi32|hid)\.dll$/,
]

/** Where macOS keeps its own. */
const MACOS = [/^\/usr\/lib\//, /^\/System\/Library\//]

/** Whether a library that this image needs is part of the system itself. */
export function isOfSystem(library: string, { file_type, libc }: ImageFacts): boolean {
  switch (file_type) {
    case 'elf':
      return (libc.family === 'musl' ? LIBC : LSB).some(pattern => pattern.test(library))
    case 'pe':
      return WINDOWS.some(pattern => pattern.test(library.toLowerCase()))
    case 'mach':
      return MACOS.some(pattern => pattern.test(library))
  }
}
