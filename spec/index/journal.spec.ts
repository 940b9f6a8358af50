import { open, readdir, readFile, stat, truncate, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect } from 'chai'
import { Journal, JournalDamaged } from '../../src/index/journal.ts'
import { decodeLine, encodeLine, type JournalEntry } from '../../src/index/journal-line.ts'
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
    expect(decodeLine(encodeLine(entries).slice(0, -1))).to.deep.equal(entries)
  })

  it('is refused with any one character changed or missing', () => {
    const line = encodeLine([['key', 'value']]).slice(0, -1)
    for (let i = 0; i < line.length; i++) {
      expect(decodeLine(line.slice(0, i) + line.slice(i + 1)), `without ${i}`).to.equal(undefined)
      expect(decodeLine(`${line.slice(0, i)}~${line.slice(i + 1)}`), `other ${i}`).to.equal(undefined)
    }
  })
})

describe('Journal', () => {
  const line = (n: number): JournalEntry[] => [[`key ${n}`, `value ${n}`]]

  async function opened(folder: string, disk = new DurableDisk()) {
    const journal = await Journal.in(folder, disk)
    const read: JournalEntry[][] = []
    await journal.open(async entries => void read.push([...entries]))
    return { journal, read }
  }

  async function replayed(folder: string): Promise<JournalEntry[][]> {
    const read: JournalEntry[][] = []
    const journal = await Journal.in(folder, new DurableDisk())
    await journal.replay(async entries => void read.push([...entries]))
    return read
  }

  it('hands out what was appended, when it is opened again', async () => {
    const folder = await fresh()
    const { journal } = await opened(folder)
    for (const n of [1, 2, 3]) await journal.append(line(n))
    await journal.close()
    const again = await opened(folder)
    expect(again.read).to.deep.equal([line(1), line(2), line(3)])
    await again.journal.append(line(4))
    await again.journal.close()
    expect(await replayed(folder)).to.deep.equal([line(1), line(2), line(3), line(4)])
  })

  it('cuts off the end that a crash has torn, at every byte of it', async () => {
    const folder = await fresh()
    const { journal } = await opened(folder)
    await journal.append(line(1))
    const [name = ''] = await readdir(folder)
    const whole = (await stat(join(folder, name))).size
    await journal.append(line(2))
    await journal.close()
    const bytes = await readFile(join(folder, name))
    for (let size = whole; size < bytes.length; size++) {
      await writeFile(join(folder, name), bytes.subarray(0, size))
      const again = await opened(folder)
      expect(again.read, `${size} bytes`).to.deep.equal([line(1)])
      await again.journal.append(line(3))
      await again.journal.close()
      expect(await replayed(folder)).to.deep.equal([line(1), line(3)])
      await truncate(join(folder, name), whole)
    }
  })

  it('refuses to go on behind a damaged line that whole ones follow', async () => {
    const folder = await fresh()
    const { journal } = await opened(folder)
    for (const n of [1, 2, 3]) await journal.append(line(n))
    await journal.close()
    const [name = ''] = await readdir(folder)
    const file = await open(join(folder, name), 'r+')
    await file.write('~', encodeLine(line(1)).length + 12)
    await file.close()
    const error = await opened(folder).catch(e => e)
    expect(error).to.be.instanceOf(JournalDamaged)
  })

  it('hands out only the newest segment at a start, and all of them to make the index anew', async () => {
    const folder = await fresh()
    const { journal } = await opened(folder)
    await journal.append(line(1))
    await journal.begin()
    await journal.append(line(2))
    await journal.close()
    const again = await opened(folder)
    await again.journal.close()
    expect(again.read).to.deep.equal([line(2)])
    expect(await replayed(folder)).to.deep.equal([line(1), line(2)])
  })

  it('puts a snapshot in the place of the segments before it', async () => {
    const folder = await fresh()
    const { journal } = await opened(folder)
    await journal.append(line(1))
    const number = await journal.begin()
    await journal.append(line(2))
    await journal.snapshot(
      number,
      (async function* () {
        yield line(1)
      })(),
    )
    await journal.close()
    expect((await readdir(folder)).sort()).to.deep.equal(['00000002.log', '00000002.snapshot'])
    expect(await replayed(folder)).to.deep.equal([line(1), line(2)])
  })

  it('says that the storage is full, keeps nothing of the line and goes on when there is space', async () => {
    const folder = await fresh()
    const fs = new FaultyFs(folder)
    const { journal } = await opened(folder, new DurableDisk(fs.fs))
    await journal.append(line(1))
    fs.fail('writev', 'ENOSPC')
    expect(await refusal(journal.append(line(2)))).to.equal('STORAGE_FULL')
    fs.heal()
    await journal.append(line(3))
    await journal.close()
    expect(await replayed(folder)).to.deep.equal([line(1), line(3)])
  })

  it('takes nothing any more after a sync has failed', async () => {
    const folder = await fresh()
    const fs = new FaultyFs(folder)
    const { journal } = await opened(folder, new DurableDisk(fs.fs))
    fs.fail('datasync', 'EIO')
    expect(await refusal(journal.append(line(1)))).to.equal('READ_ONLY')
    fs.heal()
    expect(await refusal(journal.append(line(2)))).to.equal('READ_ONLY')
    await journal.close()
  })
})
