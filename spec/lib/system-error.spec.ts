import { readFile } from 'node:fs/promises'
import { expect } from 'chai'
import { inWords, userName } from '../../src/lib/system-error.ts'

const denied = (more: object) =>
  Object.assign(new Error('EACCES: permission denied'), { code: 'EACCES' }, more)

describe('lib/system-error', () => {
  it('a missing permission names the file, the user and what to do', () => {
    const user = userName(process.geteuid?.() ?? 0)
    expect(inWords(denied({ path: '/x/y' }))).to.equal(
      `${user} has no permission for /x/y (EACCES): run this as the owner of it, or give it to ${user} (chown)`,
    )
  })

  it('LevelDB names the file in its words', () => {
    const error = new Error('IO error: /x/index/LOCK: Permission denied')
    expect(inWords(error)).to.match(/ for \/x\/index\/LOCK \(EACCES\): /)
  })

  it('every other error keeps its words', async () => {
    const missing = await readFile('/missing').catch((error: Error) => error)
    expect(inWords(missing as Error)).to.equal((missing as Error).message)
    expect(inWords(denied({}))).to.equal('EACCES: permission denied')
  })

  it('a user has a name, or the number as sudo takes it', () => {
    expect(userName(0)).to.equal('root')
    expect(userName(4_000_000)).to.equal('#4000000')
  })
})
