import { readFileSync } from 'node:fs'
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect } from 'chai'
import { EXIT } from '../../src/commands/exit-code.ts'
import { digestOf } from '../../src/oci/digest.ts'
import { Command } from '../support/command.ts'
import { tmpDir } from '../support/tmp.ts'

const TABLE = readFileSync(new URL('../../docs/exit-codes.md', import.meta.url), 'utf8')
  .split('\n')
  .filter(line => line.startsWith('| `'))
  .map(line => line.split('|').map(cell => cell.trim()))
  .map(([, name = '', , findings = '', failed = '', stopped = '']) => ({
    name: name.replaceAll('`', ''),
    findings,
    failed,
    stopped,
  }))

const source = (name: string) =>
  readFileSync(new URL(`../../src/commands/${name}.ts`, import.meta.url), 'utf8')

describe('commands/exit-code', () => {
  const fresh = tmpDir()

  it('docs/exit-codes.md has a row for every command', async () => {
    const cli = readFileSync(new URL('../../src/cli.ts', import.meta.url), 'utf8')
    const names = [...cli.matchAll(/\.command\('(\w+)'\)/g)].map(([, name = '']) => name)
    const rows = TABLE.map(({ name }) => name.split(' ').at(-1))
    // `mirror` alone prints its help.
    expect(rows).to.have.members(names.filter(name => name !== 'mirror'))
  })

  for (const { name, findings, stopped } of TABLE) {
    it(`the row of ${name} says what its source can end with`, () => {
      const text = source(name.split(' ')[0] ?? '')
      expect(text.includes('EXIT.FINDINGS')).to.equal(findings !== 'never')
      expect(text.includes('EXIT.STOPPED')).to.equal(stopped !== 'never')
      expect(text).not.to.match(/exitCode = (?!EXIT\.|signal)/)
    })
  }

  /** Each ends with 2 by a wrong setting, before it does anything. */
  for (const args of [
    'serve',
    'reindex',
    'fsck',
    'scrub',
    'gc',
    'backup to',
    'restore from',
    'import from',
    'mirror sync x',
    'config',
    'config check',
  ].map(text => text.split(' '))) {
    it(`${args.join(' ')} with a wrong setting -> ${EXIT.FAILED} and one line`, async () => {
      const { code, stdout, stderr } = await new Command(args, await fresh(), { MEMFLOW_GC_GRACE: 'x' }).ended
      expect([code, stdout]).to.deep.equal([EXIT.FAILED, ''])
      expect(stderr).to.match(/^memflow-registry: MEMFLOW_GC_GRACE: [^\n]+\n$/)
    })
  }

  for (const args of [['frob'], ['gc', '--frob'], ['gc', '--explain', 'x', '--dry-run']]) {
    it(`${args.join(' ')} -> ${EXIT.FAILED}: there is no such command or option`, async () => {
      expect(await new Command(args, await fresh()).ended).to.include({ code: EXIT.FAILED, stdout: '' })
    })
  }

  it('a fault of the program is not a finding', async () => {
    const folder = await fresh()
    await writeFile(join(folder, 'layout'), '{"version":1}')
    // The cursor of a scrub is read as a file.
    await mkdir(join(folder, 'scrub.json'))
    const { code, stderr } = await new Command(['scrub'], folder, { MEMFLOW_STORAGE_ROOT: folder }).ended
    expect(code).to.equal(EXIT.FAILED)
    expect(stderr).to.match(/^memflow-registry: Error: EISDIR[^\n]+\n {4}at /)
  })

  it('gc --explain of nothing -> 1, of something that is no digest -> 2', async () => {
    const folder = await fresh()
    await writeFile(join(folder, 'layout'), '{"version":1}')
    const explain = (text: string) =>
      new Command(['gc', '--explain', text], folder, { MEMFLOW_STORAGE_ROOT: folder }).ended
    expect(await explain(digestOf('nothing'))).to.include({ code: EXIT.FINDINGS, stdout: '' })
    expect(await explain('nothing')).to.include({ code: EXIT.FAILED, stdout: '' })
  })
})
