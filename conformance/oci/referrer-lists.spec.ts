import { expect } from 'chai'
import { artifact, type Content, index } from './content.ts'
import { expectBytes, expectError, expectHeader, expectNoHeader, expectStatus } from './expect.ts'
import { listed, SBOM, SIGNATURE } from './referrers.ts'
import type { Repository } from './repository.ts'
import { beyond, must, newRepository, should } from './suite.ts'

describe('Filtering referrers:', () => {
  let repository: Repository
  let path: string
  let sboms: string[]
  before(async () => {
    repository = await newRepository().ready()
    const subject = await repository.push(artifact())
    path = `referrers/${subject.digest()}`
    const attach = async (extra: object) =>
      (await repository.push(artifact({ subject: subject.descriptor(), ...extra }))).digest()
    sboms = [await attach({ artifactType: SBOM }), await attach({ artifactType: SBOM })].sort()
    await attach({ artifactType: SIGNATURE })
    await repository.pushImage(undefined, { subject: subject.descriptor() })
  })

  const filter = (type: string) => repository.get(`${path}?artifactType=${encodeURIComponent(type)}`)

  should('artifactType -> only those of that type', async () => {
    expect(
      listed(await filter(SBOM))
        .map(one => one.digest)
        .sort(),
    ).to.deep.equal(sboms)
  })

  must('a filter that was applied is named in OCI-Filters-Applied', async () => {
    const answer = await filter(SIGNATURE)
    if (listed(answer).length === 1) expectHeader(answer, 'oci-filters-applied', 'artifactType')
  })

  should('no referrer of that type -> an empty list, and the filter is named', async () => {
    const answer = await filter('application/vnd.example.none')
    expect(listed(answer)).to.deep.equal([])
    expectHeader(answer, 'oci-filters-applied', 'artifactType')
  })

  should('an image without artifactType is found by the mediaType of its config', async () => {
    expect(listed(await filter('application/vnd.oci.image.config.v1+json')).length).to.equal(1)
  })

  must('without a filter no filter is named', async () => {
    const answer = await repository.get(path)
    expect(listed(answer).length).to.equal(4)
    expectNoHeader(answer, 'oci-filters-applied')
  })
})

describe('Paging referrers:', () => {
  const COUNT = 50
  let repository: Repository
  let path: string
  let all: string[]
  before(async () => {
    repository = await newRepository().ready()
    const subject = await repository.push(artifact())
    path = `referrers/${subject.digest()}`
    all = []
    // 50 times 120 KiB of annotations: more than the 4 MiB that a client must accept as one manifest.
    for (let n = 0; n < COUNT; n++) {
      const annotations = { padding: 'x'.repeat(120 * 1024), n: String(n) }
      const artifactType = n % 2 === 0 ? SBOM : SIGNATURE
      const referrer = artifact({ subject: subject.descriptor(), annotations, artifactType })
      all.push((await repository.push(referrer)).digest())
    }
  })

  must('a list too long for one manifest is joined by Link, each descriptor is there once', async () => {
    const found = (await repository.pages(path)).flatMap(listed).map(one => one.digest)
    expect(found.sort()).to.deep.equal([...all].sort())
  })

  beyond('each page is at most 4 MiB', async () => {
    for (const page of await repository.pages(path)) expect(page.body.length).to.be.at.most(4 * 1024 * 1024)
  })

  beyond('a filter holds on every page, and each names it', async () => {
    const pages = await repository.pages(`${path}?artifactType=${encodeURIComponent(SBOM)}`)
    expect(pages.flatMap(listed).length).to.equal(COUNT / 2)
    for (const page of pages) expectHeader(page, 'oci-filters-applied', 'artifactType')
  })
})

describe('Enabling the referrers API (fallback tag schema):', () => {
  let repository: Repository
  let subject: Content
  let tag: string
  beforeEach(async () => {
    repository = await newRepository().ready()
    subject = await repository.push(artifact())
    tag = subject.digest().replace(':', '-')
  })

  must('a referrer that a client also put into the index at the fallback tag is listed, once', async () => {
    const referrer = await repository.push(artifact({ subject: subject.descriptor(), artifactType: SBOM }))
    const fallback = await repository.push(index([referrer.descriptor({ artifactType: SBOM })]), tag)
    const answer = await repository.get(`referrers/${subject.digest()}`)
    expect(listed(answer).map(one => one.digest)).to.deep.equal([referrer.digest()])
    expectBytes(await repository.get(`manifests/${tag}`), fallback.bytes)
  })

  must('a manifest at the fallback tag without that subject is not listed', async () => {
    const stranger = await repository.push(artifact())
    await repository.push(index([stranger.descriptor()]), tag)
    expect(listed(await repository.get(`referrers/${subject.digest()}`))).to.deep.equal([])
  })

  beyond('a fallback tag that is moved to an empty index loses no referrer', async () => {
    const referrer = await repository.push(artifact({ subject: subject.descriptor() }))
    await repository.push(index([]), tag)
    const found = listed(await repository.get(`referrers/${subject.digest()}`)).map(one => one.digest)
    expect(found).to.deep.equal([referrer.digest()])
  })

  beyond(
    'the fallback tag is a tag like any other: missing until it is pushed, deleted when it is',
    async () => {
      await repository.push(artifact({ subject: subject.descriptor() }))
      expectError(await repository.get(`manifests/${tag}`), 404, 'MANIFEST_UNKNOWN')
      await repository.push(index([]), tag)
      expectStatus(await repository.delete(`manifests/${tag}`), 202)
      expectError(await repository.get(`manifests/${tag}`), 404, 'MANIFEST_UNKNOWN')
    },
  )
})
