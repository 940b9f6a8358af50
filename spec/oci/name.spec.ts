import { expect } from 'chai'
import fc from 'fast-check'
import { RegistryError } from '../../src/oci/errors.ts'
import { isTag, parseRepository, parseTag, repositoryOf, tagOf } from '../../src/oci/name.ts'
import { cheapestMs } from '../support/processor-time.ts'

/** The two expressions of distribution-spec, Pulling manifests, as they stand there. */
const REPOSITORY = /^[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*(\/[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*)*$/
const TAG = /^[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}$/

const near = (alphabet: string) => fc.string({ unit: fc.constantFrom(...alphabet), maxLength: 24 })
const anyText = fc.oneof(fc.string(), fc.string({ unit: 'binary' }), near('ab9._-/A+ é\0'))

describe('oci/name', () => {
  describe('parseRepository', () => {
    for (const text of [
      'a',
      '0',
      'coredump',
      'host/coredump',
      'a/b/c/d/e/f/g',
      'a.b',
      'a_b',
      'a__b',
      'a-b',
      'a---b',
      'a.b_c__d-e/f--g',
      'x'.repeat(255),
      `${'x/'.repeat(127)}x`,
    ]) {
      it(`takes ${short(text)}`, () => expect(parseRepository(text)).to.equal(text))
    }

    for (const text of [
      '',
      '/',
      'a/',
      '/a',
      'a//b',
      'A',
      'a.',
      '.a',
      'a..b',
      'a___b',
      'a.-b',
      '-a',
      'a-',
      'a_/b',
      'a/_b',
      '..',
      '../a',
      'a/../b',
      'a/./b',
      'a\\b',
      'a%2fb',
      'a b',
      'a\n',
      'a\0b',
      'a:b',
      'a@b',
      'ä',
      'ａ',
      '😀',
      'x'.repeat(256),
    ]) {
      it(`refuses ${short(text)}`, () => {
        expect(() => parseRepository(text))
          .to.throw(RegistryError, 'a repository name is')
          .with.property('code', 'NAME_INVALID')
      })
    }

    it('agrees with the expression of the spec', () => {
      fc.assert(
        fc.property(fc.oneof(near('ab0._-/'), near('aB/-é')), text => {
          expect(accepts(() => parseRepository(text))).to.equal(REPOSITORY.test(text))
        }),
        { numRuns: 2000 },
      )
    })

    for (const text of [
      `${'a'.repeat(100)}!`,
      `${'a-'.repeat(100)}!`,
      `${'-'.repeat(250)}`,
      `a${'_'.repeat(200)}b`,
    ]) {
      it(`takes no time to refuse ${short(text)}`, () => {
        const work = () => {
          for (let i = 0; i < 1000; i++) accepts(() => parseRepository(text))
        }
        expect(cheapestMs(work, 1000)).to.be.below(1000)
      })
    }
  })

  describe('parseTag', () => {
    for (const text of [
      'a',
      'Z',
      '0',
      '_',
      'latest',
      'v1.2.3',
      '_a',
      'a.',
      'a-',
      'A_b-C.d',
      'x'.repeat(128),
    ]) {
      it(`takes ${short(text)}`, () => {
        expect(parseTag(text)).to.equal(text)
        expect(isTag(text)).to.equal(true)
      })
    }

    for (const text of [
      '',
      '.',
      '..',
      '.a',
      '-a',
      'a b',
      'a/b',
      'a:b',
      'a+b',
      'a\n',
      'a\0',
      'ä',
      'x'.repeat(129),
    ]) {
      it(`refuses ${short(text)}`, () => {
        expect(isTag(text)).to.equal(false)
        expect(() => parseTag(text))
          .to.throw(RegistryError, 'a tag is')
          .with.property('error', 'TAG_INVALID')
      })
    }

    it('agrees with the expression of the spec', () => {
      fc.assert(
        fc.property(anyText, text => {
          expect(isTag(text)).to.equal(TAG.test(text))
        }),
        { numRuns: 1000 },
      )
    })
  })

  describe('repositoryOf', () => {
    for (const [plugin, repository] of Object.entries({
      coredump: 'coredump',
      win32: 'win32',
      'memflow-native': 'memflow-native',
      QEMU_ProcFS: 'qemu_procfs',
      'a b': 'a-b',
      'a  b': 'a-b',
      'a..b': 'a-b',
      'a._-b': 'a-b',
      '-a-': 'a',
      'host/coredump': 'host-coredump',
      '../etc/passwd': 'etc-passwd',
      'Kernspeicher–2': 'kernspeicher-2',
      Ünïcode: 'n-code',
    })) {
      it(`gives ${plugin} the repository ${repository}`, () =>
        expect(repositoryOf(plugin)).to.equal(repository))
    }

    it('gives names of which nothing is left a home each', () => {
      const homes = ['', '内存', '---', 'é', '😀'].map(repositoryOf)
      for (const home of homes) expect(home).to.match(/^plugin-[0-9a-f]{12}$/)
      expect(new Set(homes)).to.have.length(homes.length)
    })

    it('always fits the grammar, with room for a path before it', () => {
      fc.assert(
        fc.property(fc.oneof(anyText, fc.string({ unit: 'binary', maxLength: 600 })), plugin => {
          const repository = repositoryOf(plugin)
          expect(parseRepository(repository)).to.equal(repository)
          expect(repository).to.have.length.within(1, 128)
        }),
        { numRuns: 2000 },
      )
    })

    it('leaves its own answer as it is', () => {
      fc.assert(
        fc.property(anyText, plugin => {
          const repository = repositoryOf(plugin)
          expect(repositoryOf(repository)).to.equal(repository)
        }),
        { numRuns: 1000 },
      )
    })
  })

  describe('tagOf', () => {
    for (const [version, tag] of Object.entries({
      '0.2.0': '0.2.0',
      '0.2.0+build.7': '0.2.0_build.7',
      '0.2.0-beta.1': '0.2.0-beta.1',
      '1+2+3': '1_2_3',
      'v1 (final)': 'v1--final-',
      ünï: undefined,
      '1.ü': '1.-',
      '': undefined,
      '.1': undefined,
      '-1': undefined,
      '+1': '_1',
      [`1${'.0'.repeat(100)}`]: `1${'.0'.repeat(63)}.`,
    })) {
      it(`makes ${short(version)} ${tag === undefined ? 'no tag' : short(tag)}`, () => {
        expect(tagOf(version)).to.equal(tag)
      })
    }

    it('is a tag or nothing, and leaves a tag as it is', () => {
      fc.assert(
        fc.property(fc.oneof(anyText, fc.string({ unit: 'binary', maxLength: 300 })), text => {
          const tag = tagOf(text)
          expect(tag === undefined || isTag(tag)).to.equal(true)
          if (isTag(text)) expect(tag).to.equal(text)
        }),
        { numRuns: 2000 },
      )
    })
  })
})

function short(text: string): string {
  const shown = JSON.stringify(text)
  return shown.length > 30 ? `${shown.slice(0, 20)}… of ${text.length} characters` : shown
}

function accepts(parse: () => unknown): boolean {
  try {
    parse()
    return true
  } catch (error) {
    if (error instanceof RegistryError) return false
    throw error
  }
}
