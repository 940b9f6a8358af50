import { createServer } from 'node:https'
import type { FaultyUpstream } from '../../spec/support/faulty-upstream.ts'
import type { Kind } from '../../spec/support/upstream/answers.ts'
import { selfSigned } from '../../spec/support/upstream/certificate.ts'
import {
  blackhole,
  cut,
  type Exchange,
  endless,
  type Fault,
  hangUp,
  headers,
  late,
  send,
  status,
  trickle,
  wrongBytes,
} from '../../spec/support/upstream/faults.ts'
import { digestOf } from '../../src/oci/digest.ts'

/** What the mirror says where the upstream fails: a status, or `cut`, where it had said 200 before. */
export type Said = number | 'cut'

/** What it says to a request of each sort; undefined where such a one cannot fail this way. */
export interface Expected {
  readonly manifest?: Said
  readonly list?: Said
  readonly token?: Said
  readonly blob?: Said
}

/** A way to fail for an upstream. */
export interface FaultCase {
  readonly title: string
  readonly expected: Expected
  readonly tls?: boolean
  /** The heads of its answers are right, and so are all answers to HEAD. */
  readonly inBody?: boolean
  /** Answers how to be sound again. */
  begin(upstream: FaultyUpstream, kind: Kind): Promise<() => Promise<void>>
}

/** Milliseconds: more than the 12 s that an answer has, see IMPATIENT. */
const TOO_LATE = 30_000

const all = (said: Said): Expected => ({ manifest: said, list: said, token: said, blob: said })

export const FAULTS: readonly FaultCase[] = [
  {
    title: 'refuses connections',
    expected: all(503),
    async begin(upstream) {
      await upstream.stop()
      return () => upstream.resume()
    },
  },
  {
    title: 'shows a certificate that nobody trusts',
    expected: all(503),
    tls: true,
    begin: impostor,
  },
  answering('never answers', blackhole, all(504)),
  answering('answers too late', late(TOO_LATE), all(504)),
  // A blob may take its time.
  inBody('sends a byte now and then', trickle(1, 1000), { manifest: 504, list: 504, token: 504 }),
  answering('hangs up', hangUp, all(503)),
  inBody('is reset in the middle', cut(10, 'reset'), { ...all(502), blob: 'cut' }),
  inBody('ends in the middle', cut(10, 'end'), { ...all(502), blob: 'cut' }),
  inBody('never ends', endlessly, { ...all(502), blob: 'cut' }),
  inBody('sends wrong bytes', wrongBytes, { ...all(502), blob: 'cut' }),
  answering('names another digest', headers({ 'docker-content-digest': digestOf('another') }), {
    manifest: 502,
  }),
  answering('answers 401', status(401), all(502)),
  answering('answers 403', status(403), all(502)),
  answering('answers 404', status(404), { ...all(404), token: 502 }),
  answering('answers 429', status(429, { 'retry-after': '1' }), all(429)),
  answering('answers 500', status(500), all(502)),
  answering('answers 502', status(502), all(502)),
  answering('answers 503', status(503), all(502)),
]

function answering(title: string, fault: Fault, expected: Expected): FaultCase {
  return {
    title,
    expected,
    async begin(upstream, kind) {
      upstream.fail(kind, fault)
      return async () => upstream.heal()
    },
  }
}

function inBody(title: string, fault: Fault, expected: Expected): FaultCase {
  const onBodies: Fault = exchange =>
    exchange.request.method === 'HEAD' ? send(exchange, exchange.answer) : fault(exchange)
  return { ...answering(title, onBodies, expected), inBody: true }
}

/** In pieces that a connection is filled with. */
function endlessly({ answer, ...exchange }: Exchange): void | Promise<void> {
  const body = Buffer.alloc(64 * 1024, answer.body)
  return endless({ ...exchange, answer: { ...answer, body } })
}

/** Somebody else listens where the upstream did. */
async function impostor(upstream: FaultyUpstream): Promise<() => Promise<void>> {
  await upstream.stop()
  const server = createServer(selfSigned('IP:127.0.0.1'))
  server.on('tlsClientError', () => {})
  await new Promise<void>(resolve => server.listen(Number(new URL(upstream.url).port), '127.0.0.1', resolve))
  return async () => {
    await new Promise(resolve => server.close(resolve))
    await upstream.resume()
  }
}
