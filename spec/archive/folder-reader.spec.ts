import { mkdir, symlink, truncate, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { expect } from 'chai'
import { FolderReader } from '../../src/archive/folder-reader.ts'
import { digestOf } from '../../src/oci/digest.ts'
import { LAYOUT_HEADER, layoutPath, MAX_INDEX_BYTES } from '../../src/oci/layout.ts'
import { refusal } from '../support/refusal.ts'
import { tmpDir } from '../support/tmp.ts'

describe('archive/folder-reader', () => {
  const fresh = tmpDir()
  const digest = digestOf('content')
  let folder: string
  let reader: FolderReader

  beforeEach(async () => {
    folder = await fresh()
    reader = new FolderReader(folder)
    await mkdir(join(folder, 'blobs/sha256'), { recursive: true })
    await writeFile(join(folder, 'oci-layout'), LAYOUT_HEADER)
    await writeFile(join(folder, 'index.json'), '{}')
  })

  async function read(): Promise<string | undefined> {
    const blob = await reader.open(digest)
    return blob && `${blob.size} ${await text(blob.bytes)}`
  }

  it('gives index.json and blobs', async () => {
    expect(Buffer.from(await reader.index()).toString()).to.equal('{}')
    expect([await reader.has(digest), await read()]).to.deep.equal([false, undefined])
    await writeFile(join(folder, layoutPath(digest)), 'content')
    expect([await reader.has(digest), await read()]).to.deep.equal([true, '7 content'])
  })

  it('follows links', async () => {
    await writeFile(join(folder, 'elsewhere'), 'content')
    await symlink(join(folder, 'elsewhere'), join(folder, layoutPath(digest)))
    expect(await read()).to.equal('7 content')
  })

  for (const [what, target] of [
    ['a folder', '/tmp'],
    ['a device', '/dev/zero'],
  ] as const) {
    it(`has no blob where there is ${what}`, async () => {
      await symlink(target, join(folder, layoutPath(digest)))
      expect([await reader.has(digest), await read()]).to.deep.equal([false, undefined])
    })
  }

  it('refuses a folder that is no layout, and an index.json that is too large', async () => {
    expect(await refusal(new FolderReader(join(folder, 'blobs')).index())).to.equal(
      'it has no oci-layout: it is no OCI image layout',
    )
    await truncate(join(folder, 'index.json'), MAX_INDEX_BYTES + 1)
    expect(await refusal(reader.index())).to.equal('its index.json is too large')
  })
})
