import { expect } from 'chai'
import { type Build, judgeBuild, RULES } from '../../src/core/compatibility.ts'
import type { Host } from '../../src/core/host.ts'
import { RELEASES } from '../../src/core/releases.ts'
import type { PluginDescriptor } from '../../src/plugin/descriptor.ts'
import type { ImageFacts } from '../../src/plugin/facts.ts'

const DESCRIPTOR: PluginDescriptor = {
  plugin_kind: 'connector',
  export_name: 'MEMFLOW_CONNECTOR_QEMU',
  file_type: 'elf',
  architecture: 'x86_64',
  plugin_version: 1,
  name: 'qemu',
  version: '0.2.1',
  description: '',
}

/** A build as cargo makes it today, for a Linux of 2021. */
const IMAGE: ImageFacts = {
  file_type: 'elf',
  architecture: 'x86_64',
  size: 2_000_000,
  exports: ['MEMFLOW_CONNECTOR_QEMU'],
  libraries: ['libgcc_s.so.1', 'libc.so.6', 'ld-linux-x86-64.so.2'],
  optional_libraries: [],
  libc: { family: 'glibc', floor: '2.34', floors: { 'libc.so.6': '2.34' } },
  toolchain: [],
  stripped: false,
  section_headers: true,
  hardening: {},
  lineage: {
    crates: { abi_stable: ['0.10.3'], cglue: ['0.2.14'], memflow: ['0.2.4'] },
    rustc: { commits: [], versions: [] },
  },
  problems: [],
}

interface Change {
  readonly descriptor?: Partial<PluginDescriptor>
  readonly image?: Partial<ImageFacts> | 'unknown'
  readonly crates?: Record<string, string[]>
}

function build({ descriptor, image, crates }: Change): Build {
  return {
    descriptor: { ...DESCRIPTOR, ...descriptor },
    image:
      image === 'unknown'
        ? undefined
        : {
            ...IMAGE,
            ...image,
            lineage: { ...IMAGE.lineage, crates: { ...IMAGE.lineage.crates, ...crates } },
          },
  }
}

/** `verdict: reason` of each finding. */
function judge(host: Host, change: Change = {}): string[] {
  return judgeBuild(build(change), host).map(({ verdict, reason }) => `${verdict}: ${reason}`)
}

describe('core/compatibility', () => {
  const fitting: Record<string, [Host, Change?]> = {
    'a host that says nothing': [{}],
    'a host that says nothing, facts unknown': [{}, { image: 'unknown' }],
    'the host that it was built for': [
      {
        os: 'linux',
        architecture: 'x86_64',
        abi: 1,
        memflow: '0.2.4',
        libc: 'glibc',
        glibc: '2.34',
        libraries: [],
      },
    ],
    'a newer glibc': [{ libc: 'glibc', glibc: '2.36' }],
    'another glibc where it needs none': [
      { libc: 'glibc', glibc: '2.5' },
      { image: { libc: { family: 'none' } } },
    ],
    'musl where it needs no C library': [{ libc: 'musl' }, { image: { libc: { family: 'none' } } }],
    'a memflow of the same series': [{ memflow: '0.2.3' }, { crates: { memflow: ['0.2.0'] } }],
    'a later abi_stable of the same series': [{ memflow: '0.2.4' }, { crates: { abi_stable: ['0.10.4'] } }],
    'a library that is there': [
      { libraries: ['libz.so.1', 'libusb-1.0.so.0'] },
      { image: { libraries: ['libusb-1.0.so.0', 'libc.so.6'] } },
    ],
    'a DLL by another case': [
      { libraries: ['VCRuntime140.dll'] },
      {
        descriptor: { file_type: 'pe' },
        image: {
          file_type: 'pe',
          libraries: ['VCRUNTIME140.dll', 'KERNEL32.dll', 'api-ms-win-crt-heap-l1-1-0.dll'],
        },
      },
    ],
    "a macOS system's own libraries": [
      { libraries: [] },
      {
        descriptor: { file_type: 'mach' },
        image: {
          file_type: 'mach',
          libraries: [
            '/usr/lib/libSystem.B.dylib',
            '/System/Library/Frameworks/IOKit.framework/Versions/A/IOKit',
          ],
        },
      },
    ],
    'a stripped build, which memflow 0.2.4 finds': [{ memflow: '0.2.4' }, { image: { stripped: true } }],
  }
  for (const [title, [host, change]] of Object.entries(fitting)) {
    it(`fits ${title}`, () => expect(judge(host, change)).to.deep.equal([]))
  }

  const refused: Record<string, [Host, Change]> = {
    'no: is a build for Linux, not for Windows': [{ os: 'windows' }, {}],
    'no: is built for x86_64, not for arm64': [{ architecture: 'arm64' }, {}],
    'no: is built for machine 243, not for arm64': [
      { architecture: 'arm64' },
      { descriptor: { architecture: { unknown: 243 } } },
    ],
    'no: has the memflow ABI 1, not 2': [{ abi: 2 }, {}],
    'no: has the memflow ABI -9, memflow 0.2.4 loads ABI 1 only': [
      { memflow: '0.2.4' },
      { descriptor: { plugin_version: -9 } },
    ],
    'no: needs glibc 2.34': [{ libc: 'glibc', glibc: '2.31' }, {}],
    'no: is linked with glibc 2.34, not with musl': [{ libc: 'musl' }, {}],
    'no: is linked with musl, not with glibc': [{ libc: 'glibc' }, { image: { libc: { family: 'musl' } } }],
    'unknown: needs glibc; from which version on is not in the file': [
      { libc: 'glibc', glibc: '2.31' },
      { image: { libc: { family: 'glibc' } } },
    ],
    'unknown: which C library it needs is not known': [
      { libc: 'musl' },
      { image: { libc: { family: 'unknown' } } },
    ],
    'no: built with cglue 0.3.5, memflow 0.2.4 pins cglue 0.2.14': [
      { memflow: '0.2.4' },
      { crates: { cglue: ['0.3.5'] } },
    ],
    'unknown: built with cglue 0.2.14 and 0.3.5, memflow 0.2.4 pins cglue 0.2.14': [
      { memflow: '0.2.4' },
      { crates: { cglue: ['0.2.14', '0.3.5'] } },
    ],
    'unknown: built with cglue 0.2.11, memflow 0.2.4 pins cglue 0.2.14: whether the types are alike shows when it is loaded':
      [{ memflow: '0.2.4' }, { crates: { cglue: ['0.2.11'] } }],
    'unknown: which cglue it was built with is not in the file': [
      { memflow: '0.2.4' },
      { crates: { cglue: [] } },
    ],
    'unknown: built with cglue 0.2.14, memflow 0.2.0 takes any cglue >=0.2.10: it must be of the same series in your program':
      [{ memflow: '0.2.0' }, {}],
    'no: built with abi_stable 0.11.3, memflow 0.2.4 has abi_stable =0.10.3': [
      { memflow: '0.2.4' },
      { crates: { abi_stable: ['0.11.3'] } },
    ],
    'unknown: which abi_stable it was built with is not in the file': [
      { memflow: '0.2.4' },
      { crates: { abi_stable: [] } },
    ],
    'no: built with memflow 0.3.0, memflow 0.2.4': [{ memflow: '0.2.4' }, { crates: { memflow: ['0.3.0'] } }],
    'unknown: which memflow it was built with is not in the file': [
      { memflow: '0.2.4' },
      { crates: { memflow: [] } },
    ],
    "unknown: memflow 0.9.0 is not in this registry's table: what it loads is not known": [
      { memflow: '0.9.0' },
      {},
    ],
    'no: memflow 0.1.5 loads plugins by the export MEMFLOW_CONNECTOR, which this build does not have': [
      { memflow: '0.1.5' },
      {},
    ],
    'unknown: has no section headers, by which memflow 0.2.4 finds relocations: it may not see the plugin': [
      { memflow: '0.2.4' },
      { image: { section_headers: false } },
    ],
    'no: needs libusb-1.0.so.0, libfuse.so.2': [
      { libraries: ['libz.so.1'] },
      { image: { libraries: ['libusb-1.0.so.0', 'libfuse.so.2', 'libc.so.6'] } },
    ],
    'no: needs libgcc_s.so.1': [
      { libraries: [] },
      { image: { libraries: ['libgcc_s.so.1', 'libc.musl-x86_64.so.1'], libc: { family: 'musl' } } },
    ],
    'no: needs VCRUNTIME140.dll': [
      { libraries: [] },
      { descriptor: { file_type: 'pe' }, image: { file_type: 'pe', libraries: ['VCRUNTIME140.dll'] } },
    ],
    'unknown: which libraries it needs is not known': [{ libraries: [] }, { image: 'unknown' }],
  }
  for (const [reason, [host, change]] of Object.entries(refused)) {
    it(reason, () => expect(judge(host, change)).to.deep.equal([reason]))
  }

  it('a stripped build is not found by memflow 0.2.1', () => {
    expect(judge({ memflow: '0.2.1' }, { image: { stripped: true } })).to.include(
      'no: is stripped: memflow 0.2.1 looks for plugins in .symtab only',
    )
  })

  it('says what is not known of a build without facts, and guesses nothing', () => {
    const host: Host = { os: 'linux', memflow: '0.2.4', libc: 'glibc', glibc: '2.31', libraries: [] }
    const findings = judge(host, { image: 'unknown' })
    expect(findings).to.have.length(5)
    for (const finding of findings) expect(finding).to.match(/^unknown: which /)
  })

  it('names each rule once', () => {
    const names = RULES.map(({ name }) => name)
    expect(new Set(names).size).to.equal(names.length)
  })

  it('knows the releases of memflow 0.2, newest first', () => {
    expect(RELEASES.map(({ version, abi, cglue }) => `${version} ${abi} ${cglue}`).slice(0, 6)).to.deep.equal(
      [
        '0.2.4 1 =0.2.14',
        '0.2.3 1 =0.2.14',
        '0.2.2 1 =0.2.14',
        '0.2.1 1 >=0.2.10',
        '0.2.0 1 >=0.2.10',
        '0.2.0-beta11 -9 >=0.2.10',
      ],
    )
  })
})
