import { expect } from 'chai'
import { parseHostQuery } from '../../../src/http/memflow/host-query.ts'
import { RegistryError } from '../../../src/oci/errors.ts'

function complaint(query: string): string {
  try {
    parseHostQuery(query)
  } catch (error) {
    if (error instanceof RegistryError) return `${error.status} ${error.message}`
    throw error
  }
  return 'none'
}

describe('http/memflow/host-query', () => {
  it('reads nothing as a host that says nothing', () => {
    expect(parseHostQuery('')).to.deep.equal({ host: {}, skip: 0, limit: 50 })
  })

  it('reads all of it, in the words of Go and uname too', () => {
    const query = 'os=Darwin&arch=aarch64&abi=-9&memflow=0.2.0-beta7&libraries=a,b,,c%2B%2B&skip=5&limit=7'
    expect(parseHostQuery(query)).to.deep.equal({
      host: {
        os: 'macos',
        architecture: 'arm64',
        abi: -9,
        memflow: '0.2.0-beta7',
        libraries: ['a', 'b', 'c++'],
      },
      skip: 5,
      limit: 7,
    })
  })

  it('takes a version of glibc for a system with glibc', () => {
    expect(parseHostQuery('glibc=2.31').host).to.deep.equal({ libc: 'glibc', glibc: '2.31' })
    expect(parseHostQuery('libc=musl').host).to.deep.equal({ libc: 'musl' })
  })

  it('takes an empty list of libraries for none but the system’s', () => {
    expect(parseHostQuery('libraries=').host).to.deep.equal({ libraries: [] })
  })

  it('judges 50 builds at most', () => {
    expect(parseHostQuery('limit=1000').limit).to.equal(50)
  })

  const complaints: Record<string, RegExp> = {
    'os=beos': /^400 os: `beos` is none of linux, windows, windows_nt, darwin, macos$/,
    'arch=mips': /^400 arch: `mips` is none of x86_64, amd64, /,
    'abi=one': /^400 abi: invalid digit found in string$/,
    'abi=4294967296': /^400 abi: number too large to fit in target type$/,
    'memflow=0.2': /^400 memflow: `0\.2` is not a version like 0\.2\.4$/,
    'memflow=latest': /^400 memflow: /,
    'glibc=two': /^400 glibc: `two` is not a version like 2\.31$/,
    'libc=bionic': /^400 libc: `bionic` is none of glibc, musl$/,
    'libc=musl&glibc=2.31': /^400 glibc: a system with musl has no glibc$/,
    'limit=0': /^400 limit: number too small to fit in target type$/,
    'skip=-1': /^400 skip: invalid digit found in string$/,
    'os=linux&os=linux': /^400 `os` is given twice$/,
    'glib=2.31':
      /^400 unknown parameter `glib`, expected one of os, arch, abi, memflow, libc, glibc, libraries, /,
    constructor: /^400 unknown parameter `constructor`/,
    [`libraries=${'a,'.repeat(257)}`]: /^400 libraries: more than 256 names$/,
  }
  for (const [query, expected] of Object.entries(complaints)) {
    it(`${query.slice(0, 40)} -> ${String(expected).slice(2, 60)}`, () =>
      expect(complaint(query)).to.match(expected))
  }
})
