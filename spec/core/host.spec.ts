import { expect } from 'chai'
import { KNOWN_ARCHITECTURES, KNOWN_OS, parseArchitecture, parseOs } from '../../src/core/host.ts'

describe('core/host', () => {
  const systems = {
    linux: ['linux', 'Linux'],
    windows: ['windows', 'Windows_NT', 'Windows'],
    macos: ['darwin', 'Darwin', 'macos', 'macOS'],
  }
  for (const [os, names] of Object.entries(systems)) {
    for (const name of names) it(`${name} is ${os}`, () => expect(parseOs(name)).to.equal(os))
  }

  const architectures = {
    x86_64: ['x86_64', 'amd64', 'AMD64', 'x64'],
    x86: ['x86', '386', 'i386', 'i686'],
    arm64: ['arm64', 'aarch64', 'ARM64'],
    arm: ['arm', 'armv7l', 'armhf'],
  }
  for (const [architecture, names] of Object.entries(architectures)) {
    for (const name of names)
      it(`${name} is ${architecture}`, () => expect(parseArchitecture(name)).to.equal(architecture))
  }

  it('knows no other', () => {
    for (const name of ['', 'beos', 'constructor', '__proto__', 'linux ']) {
      expect(parseOs(name), name).to.equal(undefined)
      expect(parseArchitecture(name), name).to.equal(undefined)
    }
  })

  it('lists what it knows', () => {
    expect(KNOWN_OS.map(parseOs)).not.to.include(undefined)
    expect(KNOWN_ARCHITECTURES.map(parseArchitecture)).not.to.include(undefined)
  })
})
