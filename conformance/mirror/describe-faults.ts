import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect } from 'chai'
import { selfSigned } from '../../spec/support/upstream/certificate.ts'
import type { Server } from '../support/server.ts'
import { type Answer, errorOf, essenceOf } from './ask.ts'
import { FAULTS, type FaultCase, type Said } from './faults.ts'
import type { Question } from './questions.ts'
import { IMPATIENT, startMirror } from './start.ts'
import { litterIn } from './storage.ts'
import { type Outcome, Trial } from './trial.ts'

/** Something that goes wrong, and what the mirror says then. */
interface Case {
  readonly question: Question
  readonly fault: FaultCase
  readonly said: Said
  trial?: Trial
  outcome?: Outcome | undefined
}

/** Every fault at each of the questions, all at the same time through one mirror: each fault has an upstream of its own. */
export function describeFaults(title: string, questions: readonly Question[]): void {
  describe(title, () => {
    const cases = questions.flatMap(casesOf)
    let folder = ''
    let mirror: Server

    before(async () => {
      folder = await mkdtemp(join(tmpdir(), 'mirror-'))
      const certificate = selfSigned('IP:127.0.0.1')
      await writeFile(join(folder, 'ca.pem'), certificate.cert)
      const entries = []
      for (const [i, each] of cases.entries()) {
        each.trial = await Trial.start(`up${i}`, each.fault, each.question, certificate)
        const { name, upstream } = each.trial
        const ca = each.fault.tls && { caFile: 'ca.pem' }
        entries.push({ name, url: upstream.url, prefix: name, ...IMPATIENT, maxBlobSize: '1MiB', ...ca })
      }
      mirror = await startMirror(folder, entries)
      await Promise.all(
        cases.map(async each => {
          each.outcome = await each.trial?.run(mirror.url)
        }),
      )
    })

    after(async () => {
      await mirror?.stop()
      for (const { trial } of cases) await trial?.upstream.stop()
      await rm(folder, { recursive: true, force: true })
    })

    for (const each of cases) {
      const { question, fault, said } = each
      it(`${question.title} of an upstream that ${fault.title} -> ${said}, or what is kept; then right again`, () => {
        const { trial, outcome } = each
        if (!trial || !outcome) throw new Error('it did not come to that')
        const { broken, healed, direct } = outcome
        expectRefusal(broken.absent, each, trial)
        const kept = question.kind === 'tags' ? '200 kept' : essenceOf(direct.kept)
        expect(essenceOf(broken.kept)).to.equal(kept)
        expectAge(broken.kept, each)
        expect(essenceOf(healed.kept)).to.equal(essenceOf(direct.kept))
        expect(essenceOf(healed.absent)).to.equal(essenceOf(direct.absent))
        for (const { headers } of [healed.kept, healed.absent]) expect(headers.get('warning')).to.equal(null)
      })
    }

    it('nothing half or wrong stays in the storage', async () => {
      expect(await litterIn(mirror.storage)).to.deep.equal([])
    })
  })
}

function casesOf(question: Question): Case[] {
  return FAULTS.flatMap(fault => {
    const said = saidOf(question, fault)
    return said === undefined ? [] : [{ question, fault, said }]
  })
}

function saidOf({ kind, method, fails }: Question, { expected, inBody }: FaultCase): Said | undefined {
  if (inBody && kind === 'blob' && method === 'HEAD') return undefined
  // An upstream without the referrers API has none.
  if (kind === 'referrers' && expected.list === 404) return 200
  return expected[fails]
}

/** Expects that the response for content that is not here names the upstream and what failed. */
function expectRefusal(answer: Answer, { question, said }: Case, { name, upstream }: Trial): void {
  if (said === 'cut') {
    expect(answer.whole, 'a whole answer').to.equal(false)
    return
  }
  expect(answer.status, answer.bytes.toString()).to.equal(said)
  expect(answer.headers.get('retry-after')).to.equal(said === 429 ? '1' : null)
  if (question.method === 'HEAD' || said === 200) return
  const { code, message, detail } = errorOf(answer)
  if (said === 404) expect(code).to.match(/^(?:MANIFEST|NAME|BLOB)_UNKNOWN$/)
  else {
    expect(message).to.contain(`the mirror of ${name} `).and.contain(upstream.url)
    expect(detail).to.have.property('mirror', name)
  }
}

/** That an answer which could not be renewed says so. */
function expectAge({ headers }: Answer, { question: { kind, fails, renewed }, fault }: Case): void {
  // Lists of an upstream that does not have the repository are those of what is here, and tags are renewed by HEAD.
  const list = fails === 'list'
  const renewable = list ? fault.expected.list === 404 : kind === 'manifest' && fault.inBody
  const stale = renewed && !renewable
  expect(headers.get('warning')).to.match(stale ? /^299 - ".+"$/ : /^null$/)
  // Lists are put together of what came at several times.
  expect(headers.get('age')).to.match(stale && !list ? /^[1-9]\d*$/ : /^null$/)
}
