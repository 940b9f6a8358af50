import { expect } from 'chai'
import type { BackupRow } from '../../src/core/backup/backup-rows.ts'
import { digestOf } from '../../src/oci/digest.ts'
import { pushArtifact } from '../support/oci.ts'
import { serving } from '../support/server.ts'

describe('http/backup', () => {
  const registry = serving()

  const lines = async (query = '') => {
    const { status, headers, text } = await registry().write('GET', `/ops/backup${query}`)
    expect(status).to.equal(200)
    expect(headers['content-type']).to.equal('application/x-ndjson')
    return text.split('\n').flatMap(line => (line === '' ? [] : [JSON.parse(line)]))
  }

  before(async () => {
    for (const name of ['a', 'a/b', 'c']) await pushArtifact(registry(), name, 'v1')
  })

  it('GET /ops/backup -> a line for every manifest, then the end', async () => {
    const said = await lines()
    expect(said.pop()).to.deep.equal({ end: true })
    expect(said.map(({ repository }: BackupRow) => repository)).to.deep.equal(['a', 'a/b', 'c'])
    const [{ digest, text, tags, blobs, composed, pushed }] = said as [BackupRow]
    expect(digestOf(text ?? '')).to.equal(digest)
    expect({ tags, blobs, composed }).to.deep.equal({
      tags: [{ tag: 'v1', composed: false }],
      blobs: [
        { digest: digestOf('{}'), size: 2 },
        { digest: digestOf('content'), size: 7 },
      ],
      composed: false,
    })
    expect(pushed).to.match(/^\d{19}$/)
  })

  it('GET /ops/backup?repository=a&repository=c -> those of these alone', async () => {
    const said = await lines('?repository=a&repository=c')
    expect(said.map(({ repository }) => repository)).to.deep.equal(['a', 'c', undefined])
  })

  it('of a repository that is not here, or that is none -> an error', async () => {
    expect(await lines('?repository=nobody')).to.deep.equal([{ error: 'there is no repository nobody here' }])
    expect((await registry().write('GET', '/ops/backup?repository=A')).status).to.equal(400)
  })

  it('without the token, or by another method -> 401, 405', async () => {
    expect((await registry().ask('GET', '/ops/backup')).status).to.equal(401)
    expect((await registry().write('POST', '/ops/backup')).status).to.equal(405)
  })
})
