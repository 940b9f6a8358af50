import { readdir, readFile, rm, stat, truncate, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect } from 'chai'
import { JournalDamaged } from '../../src/index/damage.ts'
import { Journal } from '../../src/index/journal.ts'
import { isHole } from '../../src/index/journal-files.ts'
import {
  decodeLine,
  encodeInTurns,
  encodeLine,
  type JournalEntry,
  type JournalLine,
} from '../../src/index/journal-line.ts'
import { DurableDisk } from '../../src/store/durable.ts'
import { FaultyFs } from '../support/faults.ts'
import { refusal } from '../support/refusal.ts'
import { tmpDir } from '../support/tmp.ts'

const fresh = tmpDir()

describe('a line of the journal', () => {
  it('reads as it was written', () => {
    const entries: JournalEntry[] = [
      ['tag\0a\0b', '{"digest":"ü"}'],
      ['tag\0a\0c', null],
    ]
    expect(decodeLine(encodeLine({ number: 7, entries }).slice(0, -1))).to.deep.equal({ number: 7, entries })
  })

  it('is refused with any one character changed or missing', () => {
    const line = encodeLine({ number: 1, entries: [['key', 'value']] }).slice(0, -1)
    for (let i = 0; i < line.length; i++) {
      expect(decodeLine(line.slice(0, i) + line.slice(i + 1)), `without ${i}`).to.equal(undefined)
      expect(decodeLine(`${line.slice(0, i)}~${line.slice(i + 1)}`), `other ${i}`).to.equal(undefined)
    }
  })
})

describe('Journal', () => {
  const entries = (n: number): JournalEntry[] => [[`key ${n}`, `value ${n}`]]
  const line = (n: number): JournalLine => ({ number: n, entries: entries(n) })

  async function opened(folder: string, disk = new DurableDisk(), reached = 0) {
    const journal = await Journal.in(folder, disk)
    const read: JournalLine[] = []
    await journal.open(reached, async one => void read.push(one))
    return { journal, read }
  }

  async function filled(folder: string, ...numbers: number[]): Promise<Journal> {
    const { journal } = await opened(folder)
    for (const n of numbers) await journal.append(entries(n))
    return journal
  }

  async function replayed(folder: string): Promise<JournalLine[]> {
    const read: JournalLine[] = []
    const { files } = await Journal.in(folder, new DurableDisk())
    for await (const item of files.read()) if (!isHole(item)) read.push(item)
    return read
  }

  /** Line 1 in a snapshot, line 2 in the segment behind it. */
  async function snapshotted(folder: string): Promise<Journal> {
    const journal = await filled(folder, 1)
    const number = await journal.begin()
    await journal.append(entries(2))
    await journal.snapshot(number, rowsOf(1))
    return journal
  }

  async function* rowsOf(n: number) {
    yield entries(n)
  }

  async function damage(path: string, at: number): Promise<void> {
    const bytes = await readFile(path)
    bytes[at] = (bytes[at] ?? 0) ^ 1
    await writeFile(path, bytes)
  }

  const names = async (folder: string) => (await readdir(folder)).sort()

  it('hands out what was appended, when it is opened again', async () => {
    const folder = await fresh()
    await (await filled(folder, 1, 2, 3)).close()
    const again = await opened(folder)
    expect(again.read).to.deep.equal([line(1), line(2), line(3)])
    await again.journal.append(entries(4))
    await again.journal.close()
    expect(await replayed(folder)).to.deep.equal([line(1), line(2), line(3), line(4)])
  })

  it('cuts off the end that a crash has torn, at every byte of it', async () => {
    const folder = await fresh()
    const journal = await filled(folder, 1)
    const [name = ''] = await readdir(folder)
    const whole = (await stat(join(folder, name))).size
    await journal.append(entries(2))
    await journal.close()
    const bytes = await readFile(join(folder, name))
    for (let size = whole; size < bytes.length; size++) {
      await writeFile(join(folder, name), bytes.subarray(0, size))
      const again = await opened(folder)
      expect(again.read, `${size} bytes`).to.deep.equal([line(1)])
      await again.journal.append(entries(2))
      await again.journal.close()
      expect(await replayed(folder)).to.deep.equal([line(1), line(2)])
      await truncate(join(folder, name), whole)
    }
  })

  it('refuses to go on behind a damaged line that whole ones follow, and hands out none', async () => {
    const folder = await fresh()
    await (await filled(folder, 1, 2, 3)).close()
    await damage(join(folder, '000000000000.log'), encodeLine(line(1)).length + 12)
    const read: JournalLine[] = []
    const journal = await Journal.in(folder, new DurableDisk())
    const error = await journal.open(0, async one => void read.push(one)).catch(e => e)
    expect(error).to.be.instanceOf(JournalDamaged)
    expect(error.message).to.match(
      /^journal\/000000000000\.log is damaged at byte \d+: it lacks change 2; .*--salvage$/,
    )
    expect(read).to.deep.equal([])
  })

  it('refuses to go on behind an index that knows more, and says that it does', async () => {
    const folder = await fresh()
    await (await filled(folder, 1, 2)).close()
    const error = await opened(folder, new DurableDisk(), 4).catch(e => e)
    expect(error).to.be.instanceOf(JournalDamaged)
    expect(error.message).to.match(
      /: it lacks changes 3 to 4, which the index has; .* memflow-registry reindex$/,
    )
  })

  it('refuses an index that lacks what came before the newest segment', async () => {
    const folder = await fresh()
    const journal = await filled(folder, 1, 2)
    await journal.begin()
    await journal.close()
    expect(await refusal(opened(folder, new DurableDisk(), 1))).to.equal('INDEX_DAMAGED')
  })

  it('hands out only the newest segment at a start, and all of them to make the index anew', async () => {
    const folder = await fresh()
    const journal = await filled(folder, 1)
    await journal.begin()
    await journal.append(entries(2))
    await journal.close()
    const again = await opened(folder, new DurableDisk(), 1)
    await again.journal.close()
    expect(again.read).to.deep.equal([line(2)])
    expect(await replayed(folder)).to.deep.equal([line(1), line(2)])
  })

  it('puts a snapshot in the place of the segments before it', async () => {
    const folder = await fresh()
    const journal = await snapshotted(folder)
    await journal.close()
    expect(await names(folder)).to.deep.equal(['000000000001.log', '000000000001.snapshot'])
    expect(await replayed(folder)).to.deep.equal([line(1), { number: 1, entries: [] }, line(2)])
  })

  it('begins anew behind a change, and keeps what was before in a folder', async () => {
    const folder = await fresh()
    const attic = await fresh()
    await (await filled(folder, 1, 2)).close()
    const journal = await Journal.in(folder, new DurableDisk())
    await journal.restart(2, rowsOf(1), attic)
    expect(await names(folder)).to.deep.equal(['000000000002.log', '000000000002.snapshot'])
    expect(await names(attic)).to.deep.equal(['000000000000.log'])
    const again = await opened(folder, new DurableDisk(), 2)
    expect((await again.journal.append(entries(3))).number).to.equal(3)
    await again.journal.close()
  })

  describe('of a snapshot and three segments, with one file', () => {
    /** Lines 1; 2 and 3; 4 and 5; 6, of which the first is in a snapshot. */
    async function several(): Promise<string> {
      const folder = await fresh()
      const journal = await snapshotted(folder)
      await journal.append(entries(3))
      await journal.begin()
      for (const n of [4, 5]) await journal.append(entries(n))
      await journal.begin()
      await journal.append(entries(6))
      await journal.close()
      return folder
    }

    const holesIn = async (folder: string) => {
      const { files } = await Journal.in(folder, new DurableDisk())
      return (await files.survey(6)).holes.map(({ first, last }) => [first, last])
    }

    it('missing -> what it had is missed', async () => {
      for (const [name, first, last] of [
        ['000000000001.snapshot', 1, 1],
        ['000000000001.log', 2, 3],
        ['000000000003.log', 4, 5],
        ['000000000005.log', 6, 6],
      ] as const) {
        const folder = await several()
        expect(await holesIn(folder)).to.deep.equal([])
        await rm(join(folder, name))
        expect(await holesIn(folder), name).to.deep.equal([[first, last]])
      }
    })

    it('cut off anywhere, between lines too -> what it had is missed', async () => {
      const folder = await several()
      for (const name of await names(folder)) {
        const bytes = await readFile(join(folder, name))
        for (let size = 0; size < bytes.length; size++) {
          await writeFile(join(folder, name), bytes.subarray(0, size))
          expect(await holesIn(folder), `${name}, ${size} bytes`).to.have.length(1)
        }
        await writeFile(join(folder, name), bytes)
      }
    })

    it('changed at any byte -> what it had is missed', async () => {
      const folder = await several()
      for (const name of await names(folder)) {
        const bytes = await readFile(join(folder, name))
        for (let at = 0; at < bytes.length; at++) {
          await damage(join(folder, name), at)
          expect(await holesIn(folder), `${name}, byte ${at}`).to.have.length(1)
          await writeFile(join(folder, name), bytes)
        }
      }
    })
  })

  it('says that the storage is full, keeps nothing of the line and goes on when there is space', async () => {
    const folder = await fresh()
    const fs = new FaultyFs(folder)
    const { journal } = await opened(folder, new DurableDisk(fs.fs))
    await journal.append(entries(1))
    fs.fail('writev', 'ENOSPC')
    expect(await refusal(journal.append(entries(9)))).to.equal('STORAGE_FULL')
    fs.heal()
    await journal.append(entries(2))
    await journal.close()
    expect(await replayed(folder)).to.deep.equal([line(1), line(2)])
  })

  it('takes nothing any more after a sync has failed', async () => {
    const folder = await fresh()
    const fs = new FaultyFs(folder)
    const { journal } = await opened(folder, new DurableDisk(fs.fs))
    fs.fail('datasync', 'EIO')
    expect(await refusal(journal.append(entries(1)))).to.equal('READ_ONLY')
    fs.heal()
    expect(await refusal(journal.append(entries(2)))).to.equal('READ_ONLY')
    await journal.close()
  })
})

describe('index/journal-line: a line that is encoded in turns', () => {
  const long = (text: string) => text.repeat(Math.ceil(300_000 / text.length))
  const values = ['x', '"\\\n\u0000\u2028', 'ä', '😀', 'a😀', '\ud83d', '\ude00\ud83d'].map(long)

  it('has the same bytes as one that is encoded at once, also at the borders of its steps', async () => {
    for (let shift = 0; shift < 2; shift++) {
      const entries = values.flatMap((value, i) => [
        [`key-${i}`, 'x'.repeat(shift) + value] as const,
        [`gone-${i}`, null] as const,
      ])
      const line = { number: 12, entries }
      const bytes = Buffer.concat(await encodeInTurns(line))
      expect(bytes.equals(Buffer.from(encodeLine(line))), `shifted by ${shift}`).to.equal(true)
      expect(decodeLine(bytes.toString().slice(0, -1))?.number).to.equal(12)
    }
  })

  it('lets other work of the event loop be done between its steps', async () => {
    const many = Array.from({ length: 5000 }, (_, i) => [`gone-${'x'.repeat(200)}-${i}`, null] as const)
    let turns = 0
    let encoding = true
    const turn = () => {
      turns++
      if (encoding) setImmediate(turn)
    }
    setImmediate(turn)
    await encodeInTurns({ number: 1, entries: many })
    const afterMany = turns
    await encodeInTurns({ number: 1, entries: [['key', long('x') + long('y')]] })
    encoding = false
    expect(afterMany).to.be.at.least(4)
    expect(turns - afterMany).to.be.at.least(4)
  })
})
