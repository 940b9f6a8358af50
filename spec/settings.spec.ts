import { readFileSync } from 'node:fs'
import { expect } from 'chai'
import { ALL_SETTINGS, envExample } from '../src/settings.ts'

const read = (path: string) => readFileSync(new URL(`../${path}`, import.meta.url), 'utf8')

describe('settings', () => {
  it('.env.example is what the table of settings says', () => {
    expect(read('.env.example')).to.equal(envExample())
  })

  it('docs/operating.md has a row for each setting, in the order of the table, with its default', () => {
    const rows = read('docs/operating.md').matchAll(/^\| (`MEMFLOW_\w+`[^|]*) \| ([^|]*) \|/gm)
    const written = [...rows].flatMap(([, names = '', preset = '']) =>
      [...names.matchAll(/`(MEMFLOW_\w+)`/g)].map(([, name]) => [name, /`([^`]+)`/.exec(preset)?.[1]]),
    )
    expect(written).to.deep.equal(ALL_SETTINGS.map(({ name, preset }) => [name, preset]))
  })

  it('every setting takes its own default and its sample', () => {
    for (const { name, preset, sample, parse } of ALL_SETTINGS) {
      const text = preset ?? sample
      if (text) expect(parse(text), name).not.to.equal(undefined)
    }
  })
})
