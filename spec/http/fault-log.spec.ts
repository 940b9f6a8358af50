import { expect } from 'chai'
import { pino } from 'pino'
import { FaultLog } from '../../src/http/fault-log.ts'
import { RegistryError } from '../../src/oci/errors.ts'

describe('http/fault-log', () => {
  const request = { method: 'GET', url: '/v2/a/manifests/v1' }
  let lines: Record<string, unknown>[]
  let now: number
  let faults: FaultLog

  beforeEach(() => {
    lines = []
    now = 0
    const log = pino({ level: 'debug', base: null }, { write: line => lines.push(JSON.parse(line)) })
    faults = new FaultLog(log, () => now)
  })

  const upstream = (mirror: string, failure = 'timeout') =>
    new RegistryError('UPSTREAM_TIMEOUT', { message: `${mirror}: too late`, detail: { mirror, failure } })

  it('an upstream that fails is one line without a stack, and its repetitions are counted', () => {
    for (let i = 0; i < 5; i++) faults.report(upstream('hub'), request)
    faults.report(upstream('quay'), request)
    faults.report(upstream('hub', 'busy'), request)
    expect(lines.map(({ mirror, failure }) => `${mirror} ${failure}`)).to.deep.equal([
      'hub timeout',
      'quay timeout',
      'hub busy',
    ])
    expect(lines[0])
      .to.include({ level: 40, reason: 'hub: too late', ...request })
      .and.not.have.property('err')
    now = 60_000
    faults.report(upstream('hub'), request)
    expect(lines.at(-1)).to.include({ mirror: 'hub', repeated: 4 })
  })

  it('a client that asked for what is here only has caused no fault', () => {
    faults.report(new RegistryError('UPSTREAM_TIMEOUT', { message: 'it is not here' }), request)
    expect(lines).to.deep.equal([])
  })

  it('a fault of this program is an error with its stack, each time', () => {
    for (let i = 0; i < 2; i++)
      faults.report(new RegistryError('INTERNAL', { cause: new Error('broken') }), request)
    expect(lines).to.have.length(2)
    expect(lines[0]).to.include({ level: 50, msg: 'request failed' })
    expect(JSON.stringify(lines[0])).to.include('broken').and.include('stack')
  })
})
