import { expect } from 'chai'
import { ERROR_CODES } from '../../conformance/oci/answer.ts'
import { ERRORS, type ErrorName, RegistryError } from '../../src/oci/errors.ts'

const names = Object.keys(ERRORS) as ErrorName[]

describe('oci/errors', () => {
  for (const code of ERROR_CODES) {
    it(`has ${code} of the distribution-spec under its own name`, () => {
      expect(ERRORS).to.have.property(code)
      expect(ERRORS[code][1]).to.equal(code)
    })
  }

  for (const name of names) {
    it(`${name} is an HTTP error with a code of the distribution-spec and words for a person`, () => {
      const [status, code, message] = ERRORS[name]
      expect(ERROR_CODES).to.include(code)
      expect(status).to.be.within(400, 599)
      expect(message).to.match(/^\S.*\S$/)
    })
  }

  it('blames the client with nothing that the registry failed at', () => {
    expect(names.filter(name => ERRORS[name][0] >= 500)).to.have.members([
      'INDEX_DAMAGED',
      'INTERNAL',
      'OUT_OF_DESCRIPTORS',
      'OVERLOADED',
      'READ_ONLY',
      'UPSTREAM_FAILED',
      'UPSTREAM_UNREACHABLE',
      'UPSTREAM_TIMEOUT',
      'STORAGE_FULL',
    ])
  })

  describe('RegistryError', () => {
    it('takes status, code and message from the table', () => {
      const error = new RegistryError('BLOB_TOO_LARGE')
      expect(error).to.include({
        name: 'RegistryError',
        error: 'BLOB_TOO_LARGE',
        status: 413,
        code: 'SIZE_INVALID',
        message: ERRORS.BLOB_TOO_LARGE[2],
      })
      expect(error.detail).to.equal(undefined)
      expect(error.headers).to.deep.equal({})
      expect(error).not.to.have.property('cause')
    })

    it('may say it in other words, with facts, headers and what lay below', () => {
      const cause = new Error('below')
      const options = { message: 'more to the point', detail: { size: 1 }, headers: { Range: '0-1' }, cause }
      const error = new RegistryError('UNSUPPORTED', options)
      expect(error.message).to.equal('more to the point')
      expect(error.detail).to.deep.equal({ size: 1 })
      expect(error.headers).to.deep.equal({ Range: '0-1' })
      expect(error.cause).to.equal(cause)
      expect(error).to.be.instanceOf(Error)
    })
  })
})
