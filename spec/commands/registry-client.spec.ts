import { expect } from 'chai'
import { RegistryClient } from '../../src/commands/registry-client.ts'
import { upstreams } from '../support/faulty-upstream.ts'
import { send } from '../support/upstream/faults.ts'

describe('commands/registry-client', () => {
  const start = upstreams()

  for (const [what, body, message] of [
    [
      'an error of the distribution-spec',
      '{"errors":[{"code":"DENIED","message":"not for you"}]}',
      'not for you',
    ],
    [
      'an error without words',
      '{"errors":[{"code":"DENIED","message":""}]}',
      '{"errors":[{"code":"DENIED","message":""}]}',
    ],
    ['any other text', 'the proxy is down', 'the proxy is down'],
    ['nothing', '', 'it answers 502'],
  ] as const) {
    it(`refused with ${what} -> says "${message}"`, async () => {
      const registry = await start()
      registry.fail('any', exchange => send(exchange, { status: 502, headers: {}, body: Buffer.from(body) }))
      const client = new RegistryClient(registry.url, new AbortController().signal)
      const error = await client.tags('app').catch((failure: Error) => failure)
      expect(error).to.be.an('error').with.property('message', message)
    })
  }
})
