import { expect } from 'chai'
import {
  artifact,
  type Content,
  index,
  OCI_INDEX,
  OCI_MANIFEST,
  randomWord,
  unknownDigest,
} from './content.ts'
import { expectHeader, expectNoHeader, expectStatus } from './expect.ts'
import { listed, SBOM, SIGNATURE } from './referrers.ts'
import type { Repository } from './repository.ts'
import { beyond, must, newRepository } from './suite.ts'

describe('Listing referrers:', () => {
  let repository: Repository
  let subject: Content
  before(async () => {
    repository = await newRepository().ready()
  })
  beforeEach(async () => {
    subject = await repository.push(artifact())
  })

  const list = (digest = subject.digest(), query = '') => repository.get(`referrers/${digest}${query}`)
  const attach = (extra: Record<string, unknown> = {}) =>
    repository.push(artifact({ subject: subject.descriptor(), ...extra }))

  must('nothing refers to it -> 200 and an empty list', async () => {
    expect(listed(await list())).to.deep.equal([])
    expect(listed(await list(unknownDigest()))).to.deep.equal([])
  })

  must('Content-Type is that of an image index', async () => {
    expectHeader(await list(), 'content-type', OCI_INDEX)
  })

  must('never 404: a repository that does not exist -> 200 and an empty list', async () => {
    expect(listed(await newRepository().get(`referrers/${unknownDigest()}`))).to.deep.equal([])
  })

  for (const digest of ['sha256:abc', 'notadigest', `sha256:${'G'.repeat(64)}`, `sha256:${'A'.repeat(64)}`]) {
    must(`a digest with an invalid syntax (${digest.slice(0, 14)}) -> 400`, async () => {
      expectStatus(await list(digest), 400)
    })
  }

  must('a manifest with a subject -> listed with mediaType, size, digest and artifactType', async () => {
    const referrer = await attach({ artifactType: SBOM })
    const [entry, ...others] = listed(await list())
    expect(others).to.deep.equal([])
    const { mediaType, size, digest, artifactType } = entry ?? {}
    expect({ mediaType, size, digest, artifactType }).to.deep.equal({
      mediaType: OCI_MANIFEST,
      size: referrer.bytes.length,
      digest: referrer.digest(),
      artifactType: SBOM,
    })
  })

  must('its annotations are in the list', async () => {
    const annotations = { 'org.example.key': 'value', 'org.example.text': 'žluť 統一碼 "quoted" \\ </x>' }
    await attach({ annotations })
    expect(listed(await list())[0]?.annotations).to.include(annotations)
  })

  must('an image without artifactType is listed with the mediaType of its config', async () => {
    const referrer = await repository.pushImage(undefined, { subject: subject.descriptor() })
    const entry = listed(await list()).find(one => one.digest === referrer.digest())
    expect(entry?.artifactType).to.equal('application/vnd.oci.image.config.v1+json')
  })

  must('an index with a subject is listed, with its artifactType', async () => {
    const own = index([], {
      artifactType: SIGNATURE,
      subject: subject.descriptor(),
      annotations: { nonce: randomWord() },
    })
    await repository.push(own)
    const entry = listed(await list())[0]
    expect(entry?.digest).to.equal(own.digest())
    expect(entry?.mediaType).to.equal(OCI_INDEX)
    expect(entry?.artifactType).to.equal(SIGNATURE)
  })

  must('an index without artifactType is listed without one', async () => {
    await repository.push(index([], { subject: subject.descriptor(), annotations: { nonce: randomWord() } }))
    const entry = listed(await list())[0]
    expect(entry).to.be.an('object')
    expect(entry).to.not.have.property('artifactType')
  })

  must('the answer to a push with a subject has OCI-Subject', async () => {
    const referrer = artifact({ subject: subject.descriptor() })
    expectHeader(await repository.put(referrer.digest(), referrer), 'oci-subject', subject.digest())
    expectHeader(await repository.put('by-tag', referrer), 'oci-subject', subject.digest())
  })

  beyond('the answer to a push without a subject has no OCI-Subject', async () => {
    expectNoHeader(await repository.put('plain', artifact()), 'oci-subject')
  })

  must('a referrer may be pushed before its subject', async () => {
    const later = artifact()
    const referrer = artifact({ subject: later.descriptor() })
    expectStatus(await repository.put(referrer.digest(), referrer), 201)
    expect(listed(await list(later.digest())).map(one => one.digest)).to.deep.equal([referrer.digest()])
    await repository.push(later)
    expect(listed(await list(later.digest())).map(one => one.digest)).to.deep.equal([referrer.digest()])
  })

  beyond('a referrer of a referrer is listed at that one only', async () => {
    const first = await attach()
    const second = await repository.push(artifact({ subject: first.descriptor() }))
    expect(listed(await list()).map(one => one.digest)).to.deep.equal([first.digest()])
    expect(listed(await list(first.digest())).map(one => one.digest)).to.deep.equal([second.digest()])
  })

  must('a referrer in another repository is not listed', async () => {
    const other = await newRepository().ready()
    await other.push(artifact({ subject: subject.descriptor() }))
    expect(listed(await list())).to.deep.equal([])
  })

  beyond('the same referrer pushed again, by digest and by two tags, is listed once', async () => {
    const referrer = await attach()
    await repository.push(referrer, 'once')
    await repository.push(referrer, 'twice')
    expect(listed(await list()).map(one => one.digest)).to.deep.equal([referrer.digest()])
  })

  beyond('a subject by sha512 has its list under that digest', async () => {
    const referrer = await repository.push(artifact({ subject: subject.descriptor({}, 'sha512') }))
    expect(listed(await list(subject.digest('sha512'))).map(one => one.digest)).to.deep.equal([
      referrer.digest(),
    ])
  })

  beyond('a deleted referrer is not listed any more', async () => {
    const [gone, kept] = [await attach(), await attach()]
    expectStatus(await repository.delete(`manifests/${gone.digest()}`), 202)
    expect(listed(await list()).map(one => one.digest)).to.deep.equal([kept.digest()])
  })

  beyond('deleting the tag of a referrer leaves it listed', async () => {
    const referrer = await attach()
    await repository.push(referrer, 'tagged')
    expectStatus(await repository.delete('manifests/tagged'), 202)
    expect(listed(await list()).map(one => one.digest)).to.deep.equal([referrer.digest()])
  })

  beyond('the list is sorted by digest, the same each time', async () => {
    const all: string[] = []
    for (let n = 0; n < 12; n++) all.push((await attach()).digest())
    expect(listed(await list()).map(one => one.digest)).to.deep.equal(all.sort())
  })

  beyond('eight attached at once -> eight are listed', async () => {
    for (let round = 0; round < 5; round++) {
      subject = await repository.push(artifact())
      const all = await Promise.all(Array.from({ length: 8 }, () => attach()))
      const found = listed(await list()).map(one => one.digest)
      expect(found.sort()).to.deep.equal(all.map(one => one.digest()).sort())
    }
  })
})
