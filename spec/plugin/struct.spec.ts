import { expect } from 'chai'
import { analyze } from '../../src/plugin/analyze.ts'
import { expectRefused } from '../support/plugin-errors.ts'
import { plugin } from '../support/plugins.ts'

// In a DLL pointers stand in the file as they are, so the fields of its descriptor are easy to change.
const dll = Buffer.from(plugin('memflow_coredump-0.2.0.x86_64.dll').bytes)
/** plugin_version 1 and accept_input true: the only such run in the file. */
const struct = dll.indexOf(Buffer.from([1, 0, 0, 0, 1, 0, 0, 0]))
/** Where its texts have their pointers. */
const field = { name: struct + 0x18, version: struct + 0x28, description: struct + 0x38 }
const text = {
  name: dll.indexOf('coredump\0'),
  version: dll.indexOf('0.2.0'),
  description: dll.indexOf('Kernspeicher'),
}

function changed(change: (file: Buffer) => void): Buffer {
  const file = Buffer.from(dll)
  change(file)
  return file
}

describe('plugin/struct', () => {
  it('reads an ABI number below zero', () => {
    const [found] = analyze(changed(file => file.writeInt32LE(-9, struct)))
    expect(found?.plugin_version).to.equal(-9)
  })

  for (const length of [0, 1]) {
    it(`reads a null pointer of length ${length} as an empty text`, () => {
      const [found] = analyze(
        changed(file => {
          file.fill(0, field.description, field.description + 12)
          file.writeUInt32LE(length, field.description + 8)
        }),
      )
      expect(found?.description).to.equal('')
    })
  }

  it('reads a text of length 0 as empty, wherever it points', () => {
    const [found] = analyze(
      changed(file => {
        file.fill(0xff, field.version, field.version + 8)
        file.writeUInt32LE(0, field.version + 8)
      }),
    )
    expect(found?.version).to.equal('')
  })

  it('reads lines and tabs in a description', () => {
    const [found] = analyze(changed(file => file.write('one\n\ttwo\r\n', text.description)))
    expect(found?.description).to.match(/^one\n\ttwo\r\n/)
  })

  it('keeps a byte order mark for what it is, and refuses the name for it', () => {
    expectRefused(
      changed(file => file.write('\ufeff', text.name)),
      'encoding',
      /the name in MEMFLOW_CONNECTOR_COREDUMP/,
    )
  })

  for (const bad of [
    'core/ump',
    'core\\ump',
    'core:ump',
    'core@ump',
    'core ump',
    'core\0ump',
    'core\nump',
    'core\x1bump',
    'co\u202eump',
  ]) {
    it(`refuses the name ${JSON.stringify(bad)}`, () => {
      expectRefused(
        changed(file => file.write(bad, text.name)),
        'encoding',
        /the name in MEMFLOW_CONNECTOR_COREDUMP is empty or too long/,
      )
    })
  }

  for (const bad of ['', '.', '..']) {
    it(`refuses the name ${JSON.stringify(bad)}`, () => {
      const file = changed(file => {
        file.write(bad, text.name)
        file.writeUInt32LE(bad.length, field.name + 8)
      })
      expectRefused(file, 'encoding', /the name in MEMFLOW_CONNECTOR_COREDUMP is empty or too long/)
    })
  }

  it('refuses control characters in a version and in a description', () => {
    expectRefused(
      changed(file => file.write('\r\n', text.version)),
      'encoding',
      /the version in/,
    )
    expectRefused(
      changed(file => file.write('\x1b[2J', text.description)),
      'encoding',
      /the description in/,
    )
  })

  for (const name of ['name', 'version', 'description'] as const) {
    it(`refuses a ${name} that is not UTF-8`, () => {
      expectRefused(
        changed(file => file.fill(0xff, text[name], text[name] + 2)),
        'encoding',
        /is not UTF-8/,
      )
    })

    it(`refuses a ${name} of absurd length`, () => {
      const file = changed(file => file.writeUInt32LE(0xffffffff, field[name] + 8))
      expectRefused(file, 'out-of-bounds', /a length of 4294967295 bytes/)
    })

    it(`refuses a ${name} that runs out of its section`, () => {
      const file = changed(file => file.writeUInt32LE(0x1000, field[name] + 8))
      expectRefused(file, 'out-of-bounds', /runs out of its segment/)
    })

    it(`refuses a ${name} that is nowhere`, () => {
      for (const pointer of [1n, 0x1000n, 2n ** 63n, 2n ** 64n - 1n]) {
        const file = changed(file => file.writeBigUInt64LE(pointer, field[name]))
        expectRefused(file, 'out-of-bounds', /is in no segment/)
      }
    })

    it(`refuses a null pointer for a ${name} with a length`, () => {
      const file = changed(file => file.writeBigUInt64LE(0n, field[name]))
      expectRefused(file, 'out-of-bounds', /null pointer of length/)
    })
  }

  it('refuses an export whose name is no identifier', () => {
    for (const bad of ['<b>', 'a b', 'a"b', '\xff\xff\xff', 'a@8']) {
      const file = changed(file => file.write(bad, file.indexOf('MEMFLOW_CONNECTOR_') + 18, 'latin1'))
      expectRefused(file, 'encoding', /no identifier/)
    }
  })

  it('passes over exports of memflow that are no plugins', () => {
    for (const other of ['MEMFLOW_CONNECTOR_\0', 'MEMFLOW_OS_\0', 'MEMFLOW_DESCRIPTOR@8\0']) {
      const file = changed(file => file.write(other, file.indexOf('MEMFLOW_CONNECTOR_')))
      expectRefused(file, 'not-found', /no symbol/)
    }
  })

  it('refuses a name that is too long for one', () => {
    const file = changed(file => {
      file.writeUInt32LE(0x200, file.indexOf('.rdata') + 8) // its virtual size
      file.fill(0x61, text.name, text.name + 0x81)
      file.writeUInt32LE(0x80, field.name + 8)
    })
    expect(analyze(file)[0]?.name).to.have.length(128)
    file.writeUInt32LE(0x81, field.name + 8)
    expectRefused(file, 'encoding', /the name in/)
  })
})
