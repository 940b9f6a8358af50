import { expect } from 'chai'
import type { Answer, ErrorCode } from './answer.ts'

/** One of the statuses, else the failure shows the request and what came back. */
export function expectStatus(answer: Answer, ...statuses: number[]): void {
  expect(answer.status, answer.toString()).to.be.oneOf(statuses)
}

/** The status, and the code among the body's errors. */
export function expectError(answer: Answer, status: number, ...codes: ErrorCode[]): void {
  expectStatus(answer, status)
  expect(answer.codes(), answer.toString()).to.satisfy((have: string[]) =>
    codes.some(code => have.includes(code)),
  )
}

/** A header's value, else the failure shows the request. */
export function expectHeader(answer: Answer, name: string, value: string | RegExp): void {
  const have = answer.header(name)
  if (typeof value === 'string') expect(have, `${name} of ${answer}`).to.equal(value)
  else expect(have ?? '', `${name} of ${answer}`).to.match(value)
}

export function expectNoHeader(answer: Answer, name: string): void {
  expect(answer.header(name), `${name} of ${answer}`).to.equal(undefined)
}

/** Same bytes; compared as lengths and equality so that a failure does not print megabytes. */
export function expectBytes(answer: Answer, bytes: Uint8Array): void {
  expect(answer.body.length, `${answer.request}: bytes received`).to.equal(bytes.byteLength)
  expect(answer.body.equals(bytes), `${answer.request}: the bytes are those that were pushed`).to.equal(true)
}
