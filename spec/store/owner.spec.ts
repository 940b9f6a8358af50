import { chown, lstat, readdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect } from 'chai'
import { assertOwner } from '../../src/store/owner.ts'
import { Command } from '../support/command.ts'
import { refusal } from '../support/refusal.ts'
import { tmpDir } from '../support/tmp.ts'

const UID = process.geteuid?.() ?? -1

describe('store/owner', () => {
  const fresh = tmpDir()
  let folder: string

  beforeEach(async () => {
    folder = await fresh()
  })

  it("refuses another user's storage, and says how to run the command", async () => {
    await writeFile(join(folder, 'layout'), '{"version":1}')
    expect(await refusal(assertOwner(folder, UID))).to.match(/^nothing/)
    expect(await refusal(assertOwner(folder, UID + 1))).to.match(
      /^it belongs to \S+ and this is \S+, [^\n]+ sudo -u '\S+' memflow-registry …$/,
    )
  })

  it('takes a folder without a storage, whose files can be made as anybody', async () => {
    expect(await refusal(assertOwner(folder, UID + 1))).to.match(/^nothing/)
    expect(await refusal(assertOwner(join(folder, 'missing'), UID + 1))).to.match(/^nothing/)
  })

  it("refuses a folder of another user to root, because root's storage there would be of no use to that user", async function () {
    if (UID !== 0) return this.skip()
    await chown(folder, 12345, 12345)
    expect(await refusal(assertOwner(folder))).to.match(/sudo -u '#12345'/)
  })

  for (const args of [['reindex'], ['fsck', '--repair'], ['gc'], ['scrub'], ['backup', 'to'], ['serve']]) {
    it(`memflow-registry ${args.join(' ')} as root touches nothing of another user's storage: 2 and one line`, async function () {
      if (UID !== 0) return this.skip()
      await writeFile(join(folder, 'layout'), '{"version":1}')
      await chown(join(folder, 'layout'), 12345, 12345)
      const before = await lstat(folder)
      const env = { MEMFLOW_STORAGE_ROOT: folder, MEMFLOW_ADDR: '127.0.0.1:0' }
      const { code, stdout, stderr } = await new Command(args, '/', env).ended
      expect({ code, stdout }).to.deep.equal({ code: 2, stdout: '' })
      expect(stderr).to.match(
        /^memflow-registry: MEMFLOW_STORAGE_ROOT: [^\n]+ sudo -u '#12345' memflow-registry …\n$/,
      )
      expect(await readdir(folder)).to.deep.equal(['layout'])
      expect((await lstat(folder)).mtimeMs).to.equal(before.mtimeMs)
    })
  }
})
