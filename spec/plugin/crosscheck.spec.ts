import { expect } from 'chai'
import { openImages } from '../../src/plugin/open.ts'
import { hasTool, objdumpExports, readelfExports, readelfPointers } from '../support/binutils.ts'
import { PLUGIN_FILES, plugin } from '../support/plugins.ts'

/** A spec that needs a program; where that is missing, the title of a pending one says so. */
function itWith(tool: string, title: string, check: () => void): void {
  if (hasTool(tool)) it(title, check)
  else it(`${title}: NOT CHECKED, ${tool} is missing here`)
}

// Far more files, and LIEF for all formats: conformance/crosscheck.
describe('plugin: binutils see the same in', () => {
  for (const file of PLUGIN_FILES) {
    const { path, bytes } = plugin(file)
    if (file.endsWith('.so')) {
      itWith('readelf', file, () => {
        const [image] = openImages(bytes)
        expect([...(image?.exports('') ?? [])]).to.deep.equal(readelfExports(path))
        const pointers = readelfPointers(path)
        expect(image?.pointers([...pointers.keys()])).to.deep.equal(pointers)
      })
    }
    if (file.endsWith('.dll')) {
      itWith('objdump', file, () => {
        const [image] = openImages(bytes)
        expect([...(image?.exports('') ?? [])]).to.deep.equal(objdumpExports(path))
      })
    }
  }
})
