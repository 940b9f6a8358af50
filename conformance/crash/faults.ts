import { expect } from 'chai'
import { FaultyFs } from '../../spec/support/faults.ts'
import { tmpDir } from '../../spec/support/tmp.ts'
import { type Fault, FaultTrial, openFiles } from './fault-trial.ts'
import { Ledger } from './ledger.ts'
import { expectWhole } from './promises.ts'
import { openStorage } from './storage.ts'
import { wholePush } from './whole-push.ts'

/** Whether the call needs space. */
const writes: Fault['befalls'] = (call, [, flags]) =>
  /^(?:writev|writeFile|truncate|datasync|rename|mkdir|utimes) /.test(call) ||
  (call.startsWith('open ') && String(flags).startsWith('w'))
const syncsFolder: Fault['befalls'] = call => call.startsWith('sync ')
const opens: Fault['befalls'] = call => /^(?:open|readdir|readFile) /.test(call)
const any: Fault['befalls'] = () => true

const FAULTS: readonly Fault[] = [
  { name: 'ENOSPC', code: 'ENOSPC', befalls: writes },
  { name: 'EDQUOT', code: 'EDQUOT', befalls: writes },
  {
    name: 'ENOSPC behind short writes, that stays',
    code: 'ENOSPC',
    befalls: writes,
    lasting: true,
    halfWrites: true,
  },
  { name: 'ENOSPC at the sync of a folder', code: 'ENOSPC', befalls: syncsFolder },
  // At a sync it means that the disk has failed, not that an operator has remounted it.
  {
    name: 'EROFS',
    code: 'EROFS',
    befalls: (call, args) => writes(call, args) && !call.startsWith('datasync'),
  },
  { name: 'EMFILE', code: 'EMFILE', befalls: opens },
  { name: 'EMFILE that stays', code: 'EMFILE', befalls: opens, lasting: true },
  { name: 'EIO', code: 'EIO', befalls: any },
  { name: 'EIO that stays', code: 'EIO', befalls: any, lasting: true },
]

/** As many pushes go into one storage folder. */
const PUSHES = 5

describe('a fault at any operation of a push', () => {
  const fresh = tmpDir()

  for (const fault of FAULTS) {
    it(`${fault.name}: what was acknowledged is there, nothing else shows half, and later pushes work`, async () => {
      const hit = new Map<string, number>()
      let more = true
      for (let n = 0; more; ) {
        const trial = await FaultTrial.open(await fresh(), fault)
        for (const last = n + PUSHES; more && n < last; n++) {
          more = false
          for (const step of wholePush(`${n}`)) {
            const call = await trial.attempt(step, n)
            if (!call) continue
            more = true
            const [word = ''] = call.split(' ')
            hit.set(word, (hit.get(word) ?? 0) + 1)
          }
        }
        await trial.close()
      }
      const counts = [...hit].map(([word, count]) => `${count} ${word}`)
      expect(counts).not.to.have.length(0)
      console.log(`      failed: ${counts.join(', ')}`)
    })
  }
})

/** The folders of blobs are made one by one, segments are looked at one by one: one stands for all. */
const ALIKE = /^mkdir blobs\/(?:sha256\/(?!80)|sha512\/)|^stat journal\/(?!0+\.log)/

describe('a fault at any operation of a start or a stop', () => {
  const fresh = tmpDir()

  for (const code of ['ENOSPC', 'EIO'] as const) {
    it(`${code}: it may fail, and the next start has everything`, async () => {
      const root = await fresh()
      const ledger = new Ledger()
      const faulty = new FaultyFs(root)
      const life = async (n: number) => {
        const registry = await openStorage(root, faulty)
        ledger.watch(registry.index)
        await registry.pushBlob('app', `content ${n}`).catch(() => {})
        await registry.close()
      }
      let hit = true
      for (let n = 0; hit; n++) {
        let seen = 0
        faulty.failIf(call => (!ALIKE.test(call) && seen++ === n ? code : undefined))
        await life(n).catch(() => {})
        expect(await openFiles(root), 'open files').to.deep.equal([])
        hit = seen > n
        faulty.heal()
        const registry = await openStorage(root)
        await ledger.settle(registry.index)
        await expectWhole(registry)
        await registry.close()
      }
    })
  }
})
