import { readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect } from 'chai'
import { Command, type Ended } from '../support/command.ts'
import { pushArtifact } from '../support/oci.ts'
import { startRegistry } from '../support/server.ts'
import { storages } from '../support/storage.ts'

describe('commands/reindex', () => {
  const fresh = storages()
  let storage: string

  const reindex = (...options: string[]): Promise<Ended> =>
    new Command(['reindex', ...options], storage, { MEMFLOW_STORAGE_ROOT: storage, MEMFLOW_LOG: 'off' }).ended

  beforeEach(async () => {
    storage = await fresh()
    for (const tag of ['v1', 'v2', 'v3']) {
      const registry = await startRegistry({ storage })
      await pushArtifact(registry, 'app', tag, { annotations: { of: tag } })
      await registry.close()
    }
  })

  it('-> 0, and what the index is made of', async () => {
    for (const [option, source] of [
      [[], 'the index'],
      [['--from-journal'], 'the journal'],
      [['--salvage'], 'what can be read of index and journal'],
    ] as const) {
      expect(await reindex(...option)).to.deep.equal({
        code: 0,
        stdout: `the index is made anew from ${source}: 1 repository, 3 manifests, 3 pushed tags, 2 blobs\n`,
        stderr: '',
      })
    }
    expect((await readdir(storage)).sort()).to.deep.equal([
      'blobs',
      'index',
      'journal',
      'layout',
      'quarantine',
      'uploads',
    ])
  })

  it('--from-journal where that is damaged -> 2, and --salvage -> 1, what is lost, and what is there', async () => {
    await rm(join(storage, 'index'), { recursive: true })
    const [, second = ''] = (await readdir(join(storage, 'journal'))).sort()
    const path = join(storage, 'journal', second)
    const bytes = await readFile(path)
    bytes[20] = (bytes[20] ?? 0) ^ 1
    await writeFile(path, bytes)
    const refused = await reindex('--from-journal')
    expect([refused.code, refused.stdout]).to.deep.equal([2, ''])
    expect(refused.stderr).to.match(
      /^memflow-registry: MEMFLOW_STORAGE_ROOT: \S+ cannot be used: journal\/\d+\.log is damaged at byte 0: it lacks changes? \d+[^\n]*; make index and journal anew of what can be read: memflow-registry reindex --salvage\n$/,
    )
    const { code, stdout } = await reindex('--salvage')
    expect(code).to.equal(1)
    const [first, ...more] = stdout.split('\n')
    expect(first).to.equal('the index is missing')
    expect(more[0]).to.match(/^journal\/\d+\.log is damaged at byte 0: it lacks change/)
    expect(stdout).to.match(
      /\nthe index is made anew from what can be read of index and journal: 1 repository, [^\n]+\n/,
    )
    const [, old = ''] =
      /\nwhat it was made of is in (\S+); remove that when nothing is missed\n$/.exec(stdout) ?? []
    expect((await readFile(join(old, second))).equals(bytes)).to.equal(true)

    const registry = await startRegistry({ storage })
    const { json } = await registry.ask('GET', '/v2/app/tags/list')
    expect(json).to.have.deep.property('tags', ['v1', 'v3'])
    // What the index does not know may be needed by what is lost.
    expect((await registry.write('POST', '/ops/gc')).status).to.equal(409)
    await registry.close()
    expect((await reindex()).code).to.equal(0)
    const again = await startRegistry({ storage })
    expect((await again.write('POST', '/ops/gc')).status).to.equal(200)
    await again.close()
  })

  it('--from-journal where there is none -> 2, and what can be done', async () => {
    for (const folder of ['index', 'journal']) await rm(join(storage, folder), { recursive: true })
    const { code, stderr } = await reindex('--from-journal')
    expect(code).to.equal(2)
    expect(stderr).to.match(/: index and journal are missing; restore a backup, or begin [^\n]+reindex\n$/)
    expect((await reindex()).code).to.equal(0)
  })
})
