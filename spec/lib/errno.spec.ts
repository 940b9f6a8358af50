import { execFile } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { promisify } from 'node:util'
import { expect } from 'chai'
import { errno, isOutOfDescriptors, orAbsent } from '../../src/lib/errno.ts'

describe('lib/errno', () => {
  it('reads the code of a system error', async () => {
    expect(errno(await readFile('/').catch(error => error))).to.equal('EISDIR')
    for (const other of [new Error('x'), undefined, 'ENOENT', Object.assign(new Error('x'), { code: 7 })]) {
      expect(errno(other)).to.equal(undefined)
    }
  })

  it('turns a missing path to undefined, and nothing else', async () => {
    expect(await orAbsent(readFile('/no/such/file'))).to.equal(undefined)
    expect(await orAbsent(Promise.resolve(1))).to.equal(1)
    const failure = await orAbsent(readFile('/')).catch(error => error)
    expect(errno(failure)).to.equal('EISDIR')
  })

  it('knows that a thread did not start for want of descriptors', async () => {
    const script = `
      const { openSync } = require('node:fs')
      const { Worker } = require('node:worker_threads')
      const start = () => new Worker('0', { eval: true }).once('error', error => console.log(error.message))
      try { for (;;) openSync('/dev/null') } catch {}
      start()`
    const command = ['-c', 'ulimit -n 64; exec "$0" -e "$1"', process.execPath, script]
    const { stdout } = await promisify(execFile)('sh', command)
    expect(isOutOfDescriptors(new Error(stdout.trim())), stdout).to.equal(true)
  })
})
