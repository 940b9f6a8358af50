import { expect } from 'chai'
import { analyze, isBinary } from '../../src/plugin/analyze.ts'
import { expectRefused, refusal } from '../support/plugin-errors.ts'
import { PLUGIN_FILES, plugin } from '../support/plugins.ts'

describe('plugin/analyze', () => {
  describe('finds what the build put into', () => {
    for (const file of PLUGIN_FILES) {
      const { bytes, descriptors } = plugin(file)
      if (descriptors.length > 0) it(file, () => expect(analyze(bytes)).to.deep.equal(descriptors))
    }
  })

  it('reads a file that lies somewhere in a larger buffer', () => {
    const { bytes, descriptors } = plugin('libmemflow_coredump-0.2.0.x86_64.so')
    const larger = new Uint8Array(bytes.length + 5)
    larger.set(bytes, 3)
    expect(analyze(larger.subarray(3, 3 + bytes.length))).to.deep.equal(descriptors)
  })

  describe('refuses, in the words of the original registry,', () => {
    it('a library without plugins', () => {
      const { bytes } = plugin('libplain.x86_64.so')
      expectRefused(bytes, 'not-found', /no symbol MEMFLOW_CONNECTOR_/)
      expect(refusal(bytes)?.message).to.equal('inventory: not found')
    })

    it('what is no binary', () => {
      const text = Buffer.from('#!/bin/sh\necho a plugin\n')
      expectRefused(text, 'not-supported', /neither ELF, PE nor Mach-O/)
      expect(refusal(text)?.message).to.equal('inventory: not supported')
      expectRefused(new Uint8Array(), 'not-executable', /ends before/)
      expectRefused(text.subarray(0, 4), 'not-executable', /ends before/)
    })

    it('a binary that ends early', () => {
      const cut = plugin('libmemflow_coredump-0.2.0.x86_64.so').bytes.subarray(0, 0x50)
      expectRefused(cut, 'not-executable', /program header table .* runs out of the file/)
      expect(refusal(cut)?.message).to.equal('inventory: file is not a valid executable file')
    })
  })

  describe('isBinary', () => {
    const heads: Record<string, number[]> = {
      ELF: [0x7f, 0x45, 0x4c, 0x46],
      PE: [0x4d, 0x5a, 0x90, 0x00],
      'Mach-O, 32 bit': [0xce, 0xfa, 0xed, 0xfe],
      'Mach-O, 64 bit': [0xcf, 0xfa, 0xed, 0xfe],
      'Mach-O, 32 bit, big-endian': [0xfe, 0xed, 0xfa, 0xce],
      'Mach-O, 64 bit, big-endian': [0xfe, 0xed, 0xfa, 0xcf],
      'universal Mach-O': [0xca, 0xfe, 0xba, 0xbe],
      'universal Mach-O of two slices': [0xca, 0xfe, 0xba, 0xbe, 0, 0, 0, 2],
      'universal Mach-O, 64 bit': [0xca, 0xfe, 0xba, 0xbf],
    }
    for (const [title, head] of Object.entries(heads)) {
      it(`knows ${title}`, () => expect(isBinary(Uint8Array.from(head))).to.equal(true))
    }

    const others: Record<string, number[]> = {
      nothing: [],
      'a gzip stream': [0x1f, 0x8b, 8, 0],
      'three bytes': [0xca, 0xfe, 0xba],
      'a Java class': [0xca, 0xfe, 0xba, 0xbe, 0, 0, 0, 61],
      'the oldest Java class': [0xca, 0xfe, 0xba, 0xbe, 0, 3, 0, 45],
    }
    for (const [title, head] of Object.entries(others)) {
      it(`passes over ${title}`, () => expect(isBinary(Uint8Array.from(head))).to.equal(false))
    }
  })
})
