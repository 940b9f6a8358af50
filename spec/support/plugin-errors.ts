import { expect } from 'chai'
import { analyze } from '../../src/plugin/analyze.ts'
import { PluginError, type PluginErrorKind } from '../../src/plugin/error.ts'

/** The file is refused, with this kind and a reason that matches. */
export function expectRefused(file: Uint8Array, kind: PluginErrorKind, reason: RegExp): void {
  const error = refusal(file)
  expect(error, 'the file was taken').to.be.instanceOf(PluginError)
  expect(error?.kind, error?.reason).to.equal(kind)
  expect(error?.reason).to.match(reason)
}

/** Why the file is refused, or undefined where it is taken. Everything else that is thrown passes through. */
export function refusal(file: Uint8Array): PluginError | undefined {
  try {
    analyze(file)
    return undefined
  } catch (error) {
    if (error instanceof PluginError) return error
    throw error
  }
}
