import { expect } from 'chai'
import { connectionLimits } from '../../src/commands/connection-limits.ts'
import { loadConfig } from '../../src/config.ts'
import { descriptorsFor, shareDescriptors } from '../../src/lib/descriptors.ts'

describe('commands/connection-limits', () => {
  const limits = (openFiles: number, env: Record<string, string> = {}) =>
    connectionLimits(loadConfig(env), shareDescriptors(openFiles))

  it('has defaults that fit the limit of open files', () => {
    expect(limits(128)).to.deep.equal({ maxConnections: 33, maxConnectionsPerAddress: 16 })
    expect(limits(1024)).to.deep.equal({ maxConnections: 369, maxConnectionsPerAddress: 184 })
    expect(limits(1_048_576)).to.deep.equal({ maxConnections: 2048, maxConnectionsPerAddress: 1024 })
    expect(limits(Number.POSITIVE_INFINITY).maxConnections).to.equal(2048)
  })

  it('takes settings that fit', () => {
    const env = { MEMFLOW_MAX_CONNECTIONS: '5000', MEMFLOW_MAX_CONNECTIONS_PER_ADDRESS: '5000' }
    expect(limits(20_000, env)).to.deep.equal({ maxConnections: 5000, maxConnectionsPerAddress: 5000 })
  })

  it('refuses settings that do not fit, and says what would', () => {
    expect(() => limits(1024, { MEMFLOW_MAX_CONNECTIONS: '370' })).to.throw(
      /set it to at most 369, or allow \d+ files/,
    )
    expect(() => limits(1024, { MEMFLOW_MAX_CONNECTIONS_PER_ADDRESS: '370' })).to.throw(
      /369 connections in all/,
    )
    expect(() => limits(50)).to.throw(/this process may open 50 files, which is too few/)
    for (const text of ['0', '-1', 'many', '1.5', '1000001'])
      expect(() => loadConfig({ MEMFLOW_MAX_CONNECTIONS: text })).to.throw('MEMFLOW_MAX_CONNECTIONS: ')
  })

  it('recommends limits of open files that are enough', () => {
    for (const connections of [8, 33, 369, 2048, 1_000_000])
      expect(shareDescriptors(descriptorsFor(connections)).connections).to.be.at.least(connections)
  })

  it('finds the limit of this process', () => {
    expect(shareDescriptors().limit).to.be.above(20)
  })
})
