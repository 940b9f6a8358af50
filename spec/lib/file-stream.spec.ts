import { type FileHandle, open, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { buffer } from 'node:stream/consumers'
import { finished } from 'node:stream/promises'
import { expect } from 'chai'
import { fileStream } from '../../src/lib/file-stream.ts'
import { tmpDir } from '../support/tmp.ts'

describe('lib/file-stream', () => {
  const fresh = tmpDir()
  const bytes = Buffer.from(Array.from({ length: 2_200_000 }, (_, i) => i % 251))
  let file: FileHandle
  const stream = (start: number, end: number) => fileStream(async () => file, start, end)

  beforeEach(async () => {
    const path = join(await fresh(), 'file')
    await writeFile(path, bytes)
    file = await open(path)
  })

  afterEach(() => {
    expect(file.fd, 'closed').to.equal(-1)
  })

  it('gives the bytes from start up to end', async () => {
    expect(await buffer(stream(0, bytes.length))).to.deep.equal(bytes)
  })

  it('gives a part', async () => {
    expect(await buffer(stream(1_000_001, 2_100_000))).to.deep.equal(bytes.subarray(1_000_001, 2_100_000))
  })

  it('gives nothing of an empty part', async () => {
    expect(await buffer(stream(5, 5))).to.have.length(0)
  })

  it('gives large chunks', async () => {
    const sizes: number[] = []
    for await (const chunk of stream(0, bytes.length)) sizes.push(chunk.length)
    expect(sizes).to.deep.equal([1_048_576, 1_048_576, 102_848])
  })

  it('fails where the file is shorter than said', async () => {
    const failure = await buffer(stream(0, bytes.length + 1)).catch(error => error)
    expect(failure).to.have.property('message', 'the file ends at byte 2200000, not at 2200001')
  })

  it('closes the file when it is destroyed in the middle of a read', async () => {
    const left = stream(0, bytes.length)
    left.read()
    await new Promise(setImmediate)
    left.destroy()
    await finished(left, { cleanup: true }).catch(() => {})
    await file.close()
  })

  it('passes on that the file could not be opened', async () => {
    await file.close()
    const failure = await buffer(fileStream(() => open('/no/such/file'), 0, 1)).catch(error => error)
    expect(failure).to.have.property('code', 'ENOENT')
  })
})
