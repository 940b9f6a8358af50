import { expect } from 'chai'
import {
  artifact,
  Content,
  DOCKER_MANIFEST,
  index,
  OCI_INDEX,
  OCI_MANIFEST,
  unknownDigest,
} from './content.ts'
import { expectBytes, expectHeader, expectNoHeader, expectStatus } from './expect.ts'
import type { Repository } from './repository.ts'
import { beyond, must, newRepository, should } from './suite.ts'

describe('Pulling manifests:', () => {
  let repository: Repository
  let content: Content
  before(async () => {
    repository = await newRepository().ready()
    content = await repository.push(artifact(), 'v1')
  })

  for (const by of ['tag', 'digest']) {
    const path = () => `manifests/${by === 'tag' ? 'v1' : content.digest()}`

    must(`an existing manifest by ${by} -> 200 and its bytes`, async () => {
      const answer = await repository.get(path())
      expectStatus(answer, 200)
      expectBytes(answer, content.bytes)
    })

    must(`by ${by}, the answer has the digest in Docker-Content-Digest`, async () => {
      expectHeader(await repository.get(path()), 'docker-content-digest', content.digest())
    })

    should(`by ${by}, Content-Type is the one it was pushed with, without parameters`, async () => {
      expectHeader(await repository.get(path()), 'content-type', OCI_MANIFEST)
    })

    beyond(`by ${by}, GET has the exact Content-Length`, async () => {
      expectHeader(await repository.get(path()), 'content-length', String(content.bytes.length))
    })

    must(`HEAD by ${by} -> 200 without a body, with digest and size`, async () => {
      const answer = await repository.head(path())
      expectStatus(answer, 200)
      expect(answer.body.length).to.equal(0)
      expectHeader(answer, 'docker-content-digest', content.digest())
      expectHeader(answer, 'content-length', String(content.bytes.length))
    })

    beyond(`HEAD by ${by} has the Content-Type of GET`, async () => {
      expectHeader(await repository.head(path()), 'content-type', OCI_MANIFEST)
    })
  }

  must('a missing manifest by tag -> 404', async () => {
    expectStatus(await repository.get('manifests/missing'), 404)
    expectStatus(await repository.head('manifests/missing'), 404)
  })

  must('a missing manifest by digest -> 404', async () => {
    expectStatus(await repository.get(`manifests/${unknownDigest()}`), 404)
    expectStatus(await repository.head(`manifests/${unknownDigest()}`), 404)
  })

  must('a repository that does not exist -> 404', async () => {
    expectStatus(await newRepository().get('manifests/v1'), 404)
  })

  must('a manifest that only another repository has -> 404', async () => {
    const other = await newRepository().ready()
    await other.push(artifact(), 'v1')
    expectStatus(await other.get(`manifests/${content.digest()}`), 404)
  })

  must('a reference that is neither tag nor digest is not served', async () => {
    for (const reference of ['sha256:abc', '-v1', '.v1', 'x'.repeat(129)]) {
      const answer = await repository.get(`manifests/${reference}`)
      expect(answer.status, answer.toString()).to.be.oneOf([400, 404])
    }
  })
})

describe('Content negotiation:', () => {
  let repository: Repository
  let content: Content
  let list: Content
  before(async () => {
    repository = await newRepository().ready()
    content = await repository.push(artifact(), 'image')
    list = await repository.push(index([content.descriptor()]), 'list')
  })

  const accepted: Record<string, Record<string, string | string[]>> = {
    'no Accept': {},
    'Accept: */*': { accept: '*/*' },
    'Accept: application/*': { accept: 'application/*' },
    'an Accept with both types': { accept: `${OCI_MANIFEST}, ${OCI_INDEX}` },
    'an Accept with weights': { accept: `${DOCKER_MANIFEST};q=0.9,${OCI_MANIFEST};q=0.5,${OCI_INDEX};q=0.1` },
    'two Accept headers': { accept: [OCI_MANIFEST, OCI_INDEX] },
    'an Accept in upper case': { accept: `${OCI_MANIFEST.toUpperCase()}, ${OCI_INDEX.toUpperCase()}` },
  }
  for (const [what, headers] of Object.entries(accepted)) {
    must(`${what} -> 200 and the manifest as it is`, async () => {
      expectBytes(await repository.request('GET', 'manifests/image', { headers }), content.bytes)
      expectBytes(await repository.request('GET', 'manifests/list', { headers }), list.bytes)
    })
  }

  beyond(
    'an Accept without the type of the manifest -> 200 or 406, never 404 and never another manifest',
    async () => {
      for (const [tag, accept, bytes] of [
        ['image', OCI_INDEX, content.bytes],
        ['list', OCI_MANIFEST, list.bytes],
        ['list', DOCKER_MANIFEST, list.bytes],
        ['image', 'text/html', content.bytes],
      ] as const) {
        const answer = await repository.get(`manifests/${tag}`, { accept })
        expectStatus(answer, 200, 406)
        if (answer.status === 200) expectBytes(answer, bytes)
      }
    },
  )

  beyond('Accept-Encoding does not change bytes and length', async () => {
    const headers = { 'accept-encoding': 'gzip, br, zstd' }
    const layer = await repository.pushBlob(new Content('text/plain', 'compressible '.repeat(1000)))
    for (const [path, { bytes }] of [
      [`manifests/${list.digest()}`, list],
      [`blobs/${layer.digest()}`, layer],
    ] as const) {
      const answer = await repository.get(path, headers)
      expectStatus(answer, 200)
      expectNoHeader(answer, 'content-encoding')
      expectHeader(answer, 'content-length', String(bytes.length))
      expectBytes(answer, bytes)
    }
  })
})
