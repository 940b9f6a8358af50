import { appendFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { expect } from 'chai'
import { type Finding, Fsck } from '../../src/core/fsck.ts'
import type { Op, Table } from '../../src/index/contract.ts'
import { IndexFolder } from '../../src/index/index-folder.ts'
import { encodeKey } from '../../src/index/keys.ts'
import { openLevel } from '../../src/index/level-db.ts'
import { LevelIndex } from '../../src/index/level-index.ts'
import * as tables from '../../src/index/tables.ts'
import { DERIVED, TRUTH } from '../../src/index/tables.ts'
import { digestOf } from '../../src/oci/digest.ts'
import { FsBlobStore } from '../../src/store/fs-store.ts'
import { fill } from '../support/filled.ts'
import { plugin } from '../support/plugins.ts'
import { CoreRegistry } from '../support/registry.ts'
import { blobFile } from '../support/rot.ts'
import { everything } from '../support/rows.ts'
import { signer } from '../support/signer.ts'
import { copyStorage, storages } from '../support/storage.ts'

type AnyTable = Table<readonly string[], unknown>

describe('core/fsck', () => {
  const storage = storages()
  const alice = signer()
  let root: string
  let right: Record<string, unknown>

  /** On an index behind its journal, as the program opens it. */
  async function open(): Promise<CoreRegistry> {
    const store = await FsBlobStore.open(root)
    const index = await new IndexFolder(root).open(() => {})
    const registry = await CoreRegistry.open(root, { keys: alice.pem, store, index })
    await registry.collector.begin()
    return registry
  }

  let filled: string

  before(async () => {
    root = filled = await storage()
    const registry = await open()
    await fill(registry, alice)
    right = await everything(registry.index)
    await registry.close()
  })

  beforeEach(async () => {
    root = await storage()
    await copyStorage(filled, root)
  })

  /** Changes LevelDB behind the back of the journal. */
  async function damage(change: (index: LevelIndex) => Promise<void>): Promise<void> {
    const index = await LevelIndex.open(join(root, 'index'))
    await change(index)
    await index.close()
  }

  async function fsck(repair = false): Promise<Finding[]> {
    const registry = await open()
    const { parts } = registry
    await registry.close()
    const findings: Finding[] = []
    const check = new Fsck(parts, finding => findings.push(finding))
    const folder = new IndexFolder(root)
    await folder.examine((truth, target, index) => check.run({ index, truth, target }), {
      row: key => check.damagedRow(key),
      journal: text => check.damagedJournal(text),
    })
    if (repair) await folder.replace()
    return findings
  }

  const texts = (findings: readonly Finding[]) => findings.map(({ text }) => text)

  async function repaired(): Promise<Record<string, unknown>> {
    const registry = await open()
    const rows = await everything(registry.index)
    await registry.close()
    return rows
  }

  /** The first row of a table. */
  async function first(index: LevelIndex, table: AnyTable) {
    const [entry] = await index.page(table, [], { limit: 1 })
    return entry ?? expect.fail(`no row in ${table.prefix}`)
  }

  it('knows all tables', () => {
    const all = Object.values(tables as Record<string, unknown>).filter(
      (table): table is AnyTable => typeof table === 'object' && table !== null && 'prefix' in table,
    )
    expect([...TRUTH, ...DERIVED, tables.COMPLETE]).to.have.members(all)
  })

  it('finds nothing in an index that is right', async () => {
    expect(await fsck()).to.deep.equal([])
  })

  /** Nothing here is mirrored, and bytes are looked at for themselves. */
  const TABLES = [...TRUTH, ...DERIVED].filter(({ prefix }) => prefix !== 'mirrored' && prefix !== 'bytes')

  it('finds nothing after garbage collection has marked rows, and a rebuilt index keeps the marks', async () => {
    const registry = await open()
    await registry.collector.collect()
    const notes = async (at: CoreRegistry) => [await at.rows(tables.COMPOSED), await at.rows(tables.LINKS)]
    const marked = await notes(registry)
    expect(JSON.stringify(marked[0])).to.include('unused')
    await registry.close()
    expect(await fsck()).to.deep.equal([])
    expect(await fsck(true)).to.deep.equal([])
    const again = await open()
    expect(await notes(again)).to.deep.equal(marked)
    await again.close()
  })

  for (const [how, change] of [
    ['missing', (table: AnyTable, key: readonly string[]): Op => ({ table, key, row: undefined })],
    [
      'one too many',
      (table: AnyTable, key: readonly string[], row: unknown): Op => ({
        table,
        key: [...key.slice(0, -1), `${key.at(-1)}-`],
        row,
      }),
    ],
    [
      'not what it should be',
      (table: AnyTable, key: readonly string[], row: unknown): Op => ({
        table,
        key,
        row: row === true ? 'odd' : { ...(row as object), odd: true },
      }),
    ],
  ] as const) {
    it(`finds a row of each table that is ${how}, and repairs them all`, async () => {
      const damaged: string[] = []
      await damage(async index => {
        for (const table of TABLES) {
          const { key, row } = await first(index, table)
          const op = change(table, key, row)
          damaged.push(encodeKey(table.prefix, op.key).replaceAll('\0', ' '))
          await index.apply([op])
        }
      })
      const findings = await fsck(true)
      const all = texts(findings)
      for (const row of damaged) {
        const [prefix = '', ...key] = row.split(' ')
        const found = all.some(text => text.startsWith(`${row}: ${how}; `))
        // A manifest's row without bytes is told of as such.
        const unpullable = all.includes(`manifest ${key.join('@')}: its bytes are gone; it cannot be pulled`)
        expect(found || (prefix === 'manifest' && unpullable), `${row}\n${all.join('\n')}`).to.equal(true)
      }
      expect(findings.every(({ mended }) => mended === 'right')).to.equal(true)
      expect(await fsck()).to.deep.equal([])
      expect(await repaired()).to.deep.equal(right)
    })
  }

  it('finds a row of each table that is damaged, and repairs them all', async () => {
    const damaged: string[] = []
    const level = await openLevel(join(root, 'index'))
    for (const { prefix } of TABLES) {
      for await (const [key, stored] of level.iterator({ gte: `${prefix}\0`, limit: 1 })) {
        damaged.push(`row ${key.replaceAll('\0', ' ')}: damaged; what needs it is answered with an error`)
        await level.put(key, `${(stored as string).slice(0, -1)}~`)
      }
    }
    await level.close()
    expect(texts(await fsck(true))).to.include.members(damaged)
    expect(await fsck()).to.deep.equal([])
    expect(await repaired()).to.deep.equal(right)
  })

  it('finds manifests whose bytes are gone or others, and repairs them', async () => {
    const named: string[] = []
    await damage(async index => {
      const [one, other] = await index.page(tables.MANIFEST_BYTES, ['app'])
      named.push(...[one, other].map(entry => (entry ?? expect.fail()).key.join('@')))
      await index.apply([
        { table: tables.MANIFEST_BYTES, key: one?.key ?? [], row: undefined },
        { table: tables.MANIFEST_BYTES, key: other?.key ?? [], row: Buffer.from('{}') },
      ])
    })
    expect(texts(await fsck(true))).to.deep.equal([
      `manifest ${named[0]}: its bytes are gone; it cannot be pulled`,
      `manifest ${named[1]}: its bytes are not what its digest tells; it cannot be pulled`,
    ])
    expect(await repaired()).to.deep.equal(right)
  })

  /** A change that the journal has as well. */
  async function change(work: (registry: CoreRegistry) => Promise<void>): Promise<void> {
    const registry = await open()
    await work(registry)
    await registry.close()
  }

  it('finds tags that lead nowhere, and takes them out where nothing else knows', async () => {
    const nowhere = digestOf('nowhere')
    await change(({ index }) =>
      index.apply([{ table: tables.TAGS, key: ['app', 'lost'], row: { digest: nowhere } }]),
    )
    const [finding] = await fsck(true)
    expect(finding).to.deep.equal({
      text: `tag app:lost: it points at ${nowhere}, which is not there; it cannot be pulled`,
      mended: 'left out',
    })
    expect(await repaired()).to.deep.equal(right)
  })

  it('finds what a manifest needs and its repository has not', async () => {
    const layer = digestOf('a layer')
    await change(({ blobs }) => blobs.delete('app' as never, layer))
    const findings = await fsck(true)
    expect(findings).to.have.length(1)
    expect(findings[0]?.text).to.match(
      new RegExp(`^manifest app@sha256:\\w{64}: it needs ${layer}, which app has not; push it$`),
    )
    expect(findings[0]?.mended).to.equal(undefined)
  })

  it('finds blobs that are held and have no file, or one of another size; the row stays', async () => {
    const [lost, grown] = [digestOf('a layer'), digestOf('of no use')]
    await change(registry => registry.pushBlob('app', 'of no use').then(() => {}))
    await rm(blobFile(root, lost))
    await appendFile(blobFile(root, grown), ' ')
    expect(texts(await fsck(true))).to.have.members([
      `blob ${lost}: its file is missing, and app holds it; push it again`,
      `blob ${grown}: its file has 10 bytes, and app holds 9; memflow-registry scrub tells which is right`,
    ])
    expect(await repaired()).to.deep.include(right)
  })

  it('does not lose plugins whose blob is gone: they are listed for when it is pushed again', async () => {
    const binary = digestOf(plugin('libmemflow_native-0.2.0.x86_64.so').bytes)
    await rm(blobFile(root, binary))
    const findings = await fsck(true)
    expect(texts(findings)).to.deep.equal([
      `blob ${binary}: its file is missing, and team/native holds it; push it again`,
    ])
    expect(await repaired()).to.deep.equal(right)
  })

  it('finds a journal that is damaged, and makes it anew of the index', async () => {
    await rm(join(root, 'journal'), { recursive: true })
    const folder = new IndexFolder(root)
    const said: string[] = []
    await folder.examine(async () => {}, { row: () => {}, journal: text => said.push(text) })
    expect(said).to.have.length(1)
    expect(said[0]).to.match(/^journal\/0+\.log is damaged at byte 0: it lacks changes 1 to \d+$/)
  })

  it('says that an index which began after its store knows too little', async () => {
    await change(({ index }) => index.apply([{ table: tables.COMPLETE, key: ['store'], row: undefined }]))
    // Opening the registry notes it again only where the store is empty.
    const findings = await fsck(true)
    expect(texts(findings)).to.deep.equal([
      'the index may not know what blobs are needed for; garbage is not collected',
    ])
    expect(texts(await fsck())).to.have.length(1)
  })

  it('leaves what another version of the analyzer has read', async () => {
    await damage(async index => {
      const { key, row } = await first(index, tables.FACTS as AnyTable)
      await index.apply([{ table: tables.FACTS, key, row: { ...(row as object), analyzer: 0 } }])
    })
    expect(await fsck()).to.deep.equal([])
  })
})
