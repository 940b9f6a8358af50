import { expect } from 'chai'
import { type BinaryFacts, factsOf, type ImageFacts } from '../../src/plugin/facts.ts'
import { hasTool } from '../support/binutils.ts'
import { objdumpFacts, readelfFacts } from '../support/binutils-facts.ts'
import { PLUGIN_FILES, type PluginFile, plugin } from '../support/plugins.ts'

/** What plugin.c leaves with -DLINEAGE. */
const CRATES = {
  abi_stable: ['0.10.3'],
  cglue: ['0.2.14'],
  memflow: ['0.2.4'],
  'memflow-win32-defs': ['0.2.0'],
}
const COMMIT = 'f6e511eec7342f59a25f7c0534f1dbea00d01b14'
const NO_LAYOUTS = 'the layouts of its types are not those of abi_stable 0.10'

const FACTS = ['MEMFLOW_CONNECTOR_FACTS']

// Written down from build.sh and what readelf, objdump and llvm-objdump say.
const EXPECTED: Partial<Record<PluginFile, readonly ImageFacts[]>> = {
  'libmemflow_facts-glibc.x86_64.so': [
    {
      file_type: 'elf',
      architecture: 'x86_64',
      size: 6864,
      exports: FACTS,
      libraries: ['libc.so.6', 'libm.so.6', 'libusb-1.0.so.0'],
      optional_libraries: [],
      libc: { family: 'glibc', floor: '2.34', floors: { 'libc.so.6': '2.34', 'libm.so.6': '2.29' } },
      minimum_os: { name: 'linux', version: '3.2.0' },
      toolchain: ['rustc version 1.82.0 (f6e511eec 2024-10-15)'],
      stripped: false,
      section_headers: true,
      hardening: { pie: true, nx: true, relro: 'full' },
      build_id: { kind: 'gnu', id: '0123456789abcdef0123456789abcdef01234567' },
      lineage: { crates: CRATES, rustc: { commits: [COMMIT], versions: ['1.82.0'] } },
      problems: [],
    },
  ],
  'libmemflow_facts-musl.x86_64.so': [
    {
      file_type: 'elf',
      architecture: 'x86_64',
      size: 5328,
      exports: FACTS,
      libraries: ['libc.musl-x86_64.so.1'],
      optional_libraries: [],
      libc: { family: 'musl' },
      toolchain: [],
      stripped: true,
      section_headers: true,
      hardening: { pie: true, nx: false, relro: 'partial' },
      lineage: { crates: {}, rustc: { commits: [], versions: [] } },
      problems: [NO_LAYOUTS],
    },
  ],
  'memflow_facts.x86_64.dll': [
    {
      file_type: 'pe',
      architecture: 'x86_64',
      size: 5120,
      exports: FACTS,
      libraries: ['KERNEL32.dll', 'api-ms-win-crt-runtime-l1-1-0.dll'],
      optional_libraries: ['WS2_32.dll'],
      libc: { family: 'ucrt' },
      minimum_os: { name: 'windows', version: '6.1' },
      toolchain: ['linker 14.0'],
      stripped: true,
      hardening: {
        dynamic_base: true,
        nx_compat: true,
        high_entropy_va: true,
        guard_cf: true,
        authenticode: false,
      },
      build_id: { kind: 'pdb', id: '8FE9D6A3-41A2-0D23-4C4C-44205044422E' },
      lineage: { crates: CRATES, rustc: { commits: [COMMIT], versions: [] } },
      problems: [],
    },
  ],
  'libmemflow_facts.arm64.dylib': [
    {
      file_type: 'mach',
      architecture: 'arm64',
      size: 50608,
      exports: FACTS,
      libraries: ['/usr/lib/libSystem.B.dylib'],
      optional_libraries: ['/usr/lib/libz.1.dylib'],
      libc: { family: 'libSystem' },
      minimum_os: { name: 'macos', version: '12.3.0' },
      toolchain: ['ld 16.0.6'],
      stripped: false,
      hardening: { pie: true, nx_stack: true, nx_heap: false, code_signature: true },
      build_id: { kind: 'uuid', id: '4C4C44E1-5555-3144-A1AE-6274E81236C0' },
      lineage: { crates: CRATES, rustc: { commits: [COMMIT], versions: [] } },
      problems: [],
    },
  ],
  'libmemflow_facts.x86_64.dylib': [
    {
      file_type: 'mach',
      architecture: 'x86_64',
      size: 9024,
      exports: FACTS,
      libraries: ['/usr/lib/libSystem.B.dylib'],
      optional_libraries: ['/usr/lib/libz.1.dylib'],
      libc: { family: 'libSystem' },
      minimum_os: { name: 'macos', version: '10.9.0' },
      toolchain: [],
      stripped: false,
      hardening: { pie: true, nx_stack: true, nx_heap: false, code_signature: false },
      build_id: { kind: 'uuid', id: '4C4C4451-5555-3144-A170-A4DA84D98778' },
      lineage: { crates: CRATES, rustc: { commits: [COMMIT], versions: [] } },
      problems: [],
    },
  ],
  'libmemflow_shape-sections-stripped.x86_64.so': [
    {
      file_type: 'elf',
      architecture: 'x86_64',
      size: 1184,
      exports: ['MEMFLOW_OS_SHAPE'],
      libraries: [],
      optional_libraries: [],
      libc: { family: 'none' },
      toolchain: [],
      stripped: true,
      section_headers: false,
      hardening: { pie: true, nx: true, relro: 'none' },
      lineage: { crates: {}, rustc: { commits: [], versions: [] } },
      problems: [NO_LAYOUTS],
    },
  ],
}

function factsIn(file: PluginFile): BinaryFacts {
  return factsOf(plugin(file).bytes)
}

describe('plugin/facts', () => {
  describe('finds what the build put into', () => {
    for (const [file, images] of Object.entries(EXPECTED)) {
      it(file, () => {
        const { bytes } = plugin(file as PluginFile)
        expect(factsOf(bytes)).to.deep.equal({ size: bytes.length, images })
      })
    }
  })

  it('tells of each slice of a universal binary for itself', () => {
    const { size, images } = factsIn('libmemflow_coredump-0.2.0.universal.dylib')
    expect(size).to.equal(49808)
    expect(images.map(({ architecture, size }) => [architecture, size])).to.deep.equal([
      ['x86_64', 8392],
      ['arm64', 33424],
    ])
  })

  it('has every export that begins with MEMFLOW_, also those that are no plugins', () => {
    const bytes = Buffer.from(plugin('libmemflow_pair-0.2.0.x86_64.so').bytes)
    bytes.write('MEMFLOW_CONNECTOR\0', bytes.indexOf('MEMFLOW_CONNECTOR_QEMU'))
    expect(factsOf(bytes).images[0]?.exports).to.deep.equal(['MEMFLOW_OS_WIN32', 'MEMFLOW_CONNECTOR'])
  })

  it('is plain data', () => {
    for (const file of PLUGIN_FILES) {
      const facts = factsIn(file)
      expect(JSON.parse(JSON.stringify(facts)), file).to.deep.equal(facts)
      expect(structuredClone(facts), file).to.deep.equal(facts)
    }
  })

  it('reads bytes in shared memory', () => {
    const { bytes } = plugin('memflow_facts.x86_64.dll')
    const shared = new Uint8Array(new SharedArrayBuffer(bytes.length))
    shared.set(bytes)
    expect(factsOf(shared)).to.deep.equal(factsOf(bytes))
  })

  describe('is what binutils see in', () => {
    for (const file of PLUGIN_FILES) {
      const { path } = plugin(file)
      const tool = file.endsWith('.so') ? 'readelf' : file.endsWith('.dll') ? 'objdump' : undefined
      if (tool === undefined) continue
      if (!hasTool(tool)) it(`${file}: NOT CHECKED, ${tool} is missing here`)
      else {
        it(file, () => {
          const [image] = factsIn(file).images
          const { libraries, libc, stripped, hardening, build_id, minimum_os } = image as ImageFacts
          const { glibc, ...theirs } = (tool === 'readelf' ? readelfFacts : objdumpFacts)(path)
          const ours: Record<string, unknown> = {
            ...{ libraries, stripped, ...hardening },
            ...{ build_id: build_id?.id, minimum_os: minimum_os?.version },
          }
          for (const [name, value] of Object.entries(theirs)) expect(ours[name], name).to.deep.equal(value)
          const highest = Object.entries(libc.floors ?? {}).map(
            ([library, floor]) => `${library} GLIBC_${floor}`,
          )
          const all = ((glibc ?? []) as string[][]).map(pair => pair.join(' '))
          expect(all).to.include.members(highest)
        })
      }
    }
  })
})
