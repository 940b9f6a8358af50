import { readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect } from 'chai'
import { openLevel } from '../../src/index/level-db.ts'
import { pushArtifact } from '../support/oci.ts'
import { startRegistry } from '../support/server.ts'
import { tmpDir } from '../support/tmp.ts'

const ADVICE =
  / is damaged; stop the registry and make the index anew: memflow-registry reindex --from-journal/

describe('http over a damaged index', () => {
  const fresh = tmpDir()
  let storage: string

  beforeEach(async () => {
    storage = await fresh()
    const registry = await startRegistry({ storage })
    await pushArtifact(registry, 'app', 'v1')
    await registry.close()
  })

  const files = async () => (await readdir(join(storage, 'index'))).filter(name => name.endsWith('.ldb'))

  async function damage(name: string): Promise<void> {
    const bytes = await readFile(join(storage, 'index', name))
    bytes[20] = (bytes[20] ?? 0) ^ 1
    await writeFile(join(storage, 'index', name), bytes)
  }

  it('does not start on a file that is damaged', async () => {
    for (const name of await files()) await damage(name)
    const failure = await startRegistry({ storage }).catch(error => error)
    expect(failure).to.have.property('name', 'ConfigError')
    expect(failure.message).to.match(
      /^MEMFLOW_STORAGE_ROOT: \S+ cannot be used: index\/\d+\.ldb is damaged; /,
    )
  })

  it('does not start where there are blobs, and neither index nor journal', async () => {
    for (const folder of ['index', 'journal']) await rm(join(storage, folder), { recursive: true })
    const failure = await startRegistry({ storage }).catch(error => error)
    expect(failure.message).to.match(
      / has blobs, and its index and journal are lost: restore a backup, or begin .*reindex$/,
    )
  })

  it('a row that is not what was written -> 500 and what to run, never a 404 or another row', async () => {
    const level = await openLevel(join(storage, 'index'))
    const stored = (await level.get('tag\0app\0v1')) as string
    await level.put(
      'tag\0app\0v1',
      stored.replace(/.(?="})/, digit => (digit === '0' ? '1' : '0')),
    )
    await level.close()
    const registry = await startRegistry({ storage })
    for (const path of ['/v2/app/manifests/v1', '/v2/app/tags/list']) {
      const { status, text } = await registry.ask('GET', path)
      expect(status, path).to.equal(500)
      expect(text, path).to.match(ADVICE)
    }
    await registry.close()
  })

  it('a file that is damaged while it is served -> no garbage goes, not ready, and no more answers', async () => {
    const registry = await startRegistry({ storage })
    expect((await registry.ask('GET', '/ready')).status).to.equal(200)
    for (const name of await files()) await damage(name)
    expect((await registry.write('POST', '/ops/gc')).text).to.match(ADVICE)
    for (const [path, status] of [
      ['/ready', 503],
      ['/v2/_catalog', 500],
      ['/v2/app/tags/list', 500],
    ] as const) {
      const answer = await registry.ask('GET', path)
      expect(answer.status, path).to.equal(status)
      expect(answer.text, path).to.match(ADVICE)
    }
    await registry.close()
  })
})
