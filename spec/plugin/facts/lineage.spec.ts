import { expect } from 'chai'
import { Bytes } from '../../../src/lib/bytes.ts'
import { Attempts } from '../../../src/plugin/facts/attempts.ts'
import { type Lineage, lineageOf } from '../../../src/plugin/facts/lineage.ts'
import type { Image } from '../../../src/plugin/image.ts'
import { openImages } from '../../../src/plugin/open.ts'
import { pluginExports } from '../../../src/plugin/struct.ts'
import { plugin } from '../../support/plugins.ts'

/** The lineage in these bytes, of an image that has nothing else. */
function lineageIn(text: string, attempts = new Attempts()): Lineage {
  const [image] = openImages(plugin('libplain.x86_64.so').bytes)
  const bytes = new Bytes(Buffer.from(text, 'latin1'), 'the file')
  return lineageOf({ ...(image as Image), bytes, pointers: () => new Map() }, [], attempts)
}

function cratesIn(text: string): Lineage['crates'] {
  return lineageIn(text).crates
}

describe('plugin/facts/lineage', () => {
  describe('knows a crate by its path', () => {
    const paths: Record<string, Lineage['crates']> = {
      '/root/.cargo/registry/src/index-1949cf8c6b5b557f/memflow-0.2.4/src/lib.rs': {
        memflow: ['0.2.4'],
      },
      'C:\\Users\\me\\.cargo\\registry\\src\\github.com-1ecc6299db9ec823\\cglue-0.3.5\\src\\arc.rs': {
        cglue: ['0.3.5'],
      },
      '/abi_stable-0.10.3/src/': { abi_stable: ['0.10.3'] },
      '/memflow-0.2.0-beta7/src/types/address.rs': { memflow: ['0.2.0-beta7'] },
      '/memflow-win32-defs-0.2.0/src/lib.rs': { 'memflow-win32-defs': ['0.2.0'] },
      '/cglue-macro-0.2.3/src/lib.rs/memflow-derive-0.2.0/src/lib.rs': {
        'cglue-macro': ['0.2.3'],
        'memflow-derive': ['0.2.0'],
      },
      '/memflow-0.2.10/src/ /memflow-0.2.9/src/ /memflow-0.2.10/src/': { memflow: ['0.2.9', '0.2.10'] },
    }
    for (const [path, crates] of Object.entries(paths)) {
      it(path, () => {
        expect(cratesIn(path)).to.deep.equal(crates)
        expect(cratesIn(`0123456789abcdef0123456789abcdef${path}0.0.1/src/`)).to.deep.equal(crates)
      })
    }
  })

  describe('takes nothing else for one', () => {
    for (const text of [
      'memflow-0.2.4/src/lib.rs',
      '/not-memflow-0.2.4/src/lib.rs',
      '/memflow-0.2/src/lib.rs',
      '/memflow-00.2.4/src/lib.rs',
      '/memflow-0.2.4/README.md',
      '/memflow-0.2.4',
      '/memflowup-0.2.4/src/main.rs',
      '/checkouts/memflow-9e8b6c/04978ac/memflow/src/lib.rs',
      '/mutable-0.1.0/src/lib.rs',
      '/memflow-',
      'memflow;0.2.4more',
      'memflow;0.2.00.2.1qemu',
      'memflow;0.2.4.1',
      'my memflow;0.2',
      '',
    ]) {
      it(JSON.stringify(text), () => expect(cratesIn(text)).to.deep.equal({}))
    }
  })

  it('knows a crate by the package in its type layouts, where its end is clear', () => {
    expect(cratesIn('x\0cglue;0.2.14\0')).to.deep.equal({ cglue: ['0.2.14'] })
    expect(cratesIn('abi_stable;0.10.3')).to.deep.equal({ abi_stable: ['0.10.3'] })
    expect(cratesIn('xmemflow;0.2.0-beta7 x')).to.deep.equal({ memflow: ['0.2.0-beta7'] })
  })

  it('follows the type layouts of a plugin, where texts stand without a gap', () => {
    const bytes = Buffer.from(plugin('libmemflow_facts.arm64.dylib').bytes)
    for (let at = bytes.indexOf('0.2.4/src'); at >= 0; at = bytes.indexOf('0.2.4/src')) bytes.write('x', at)
    expect(bytes.toString('latin1')).to.include('cglue;0.2.14memflow;0.2.4T')
    const [image] = openImages(bytes)
    const { crates } = lineageOf(image as Image, pluginExports(image as Image), new Attempts())
    expect([crates.cglue, crates.memflow]).to.deep.equal([['0.2.14'], ['0.2.4']])
  })

  describe('knows the compiler', () => {
    const commit = '59807616e1fa2540724bfbac14d7976d7e4a3860'
    const texts: Record<string, Partial<Lineage['rustc']>> = {
      [`/rustc/${commit}/library/std/src/io/mod.rs`]: { commits: [commit] },
      '/usr/src/rustc-1.63.0/library/core/src/fmt/mod.rs': { versions: ['1.63.0'] },
      '/build/rustc-1.75.0-src/library/core/src/fmt/mod.rs': { versions: ['1.75.0'] },
      'rustc version 1.95.0 (59807616e 2026-04-14)': { versions: ['1.95.0'] },
      'rustc version 1.96.0-nightly (0123 2026-04-14)': { versions: ['1.96.0-nightly'] },
      [`/rustc/${commit.slice(1)}/library/`]: {},
      '/rustc-hash-1.1.0/src/lib.rs': {},
      'wrong version 1.2.3': {},
    }
    for (const [text, rustc] of Object.entries(texts)) {
      it(text, () =>
        expect(lineageIn(`x${text}`).rustc).to.deep.equal({ commits: [], versions: [], ...rustc }),
      )
    }
  })

  it('keeps a bounded number of versions, and looks at a bounded number of places', () => {
    const many = Array.from({ length: 100 }, (_, i) => `/memflow-0.2.${i}/src/`).join('')
    expect(cratesIn(many).memflow).to.have.length(16)
    const attempts = new Attempts()
    lineageIn('/cglue-'.repeat(20_001), attempts)
    expect(attempts.problems.join()).to.match(/too many places/)
  })
})
