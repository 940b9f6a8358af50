import { expect } from 'chai'
import { digestOf } from '../../src/oci/digest.ts'
import {
  checkLayoutHeader,
  digestAt,
  LAYOUT_HEADER,
  type LayoutEntry,
  layoutIndex,
  layoutPath,
  parseLayoutIndex,
  sameScope,
} from '../../src/oci/layout.ts'
import { OCI_INDEX, OCI_MANIFEST } from '../../src/oci/media-types.ts'
import type { Repository, Tag } from '../../src/oci/name.ts'
import { refusal } from '../support/refusal.ts'

describe('oci/layout', () => {
  const entry: LayoutEntry = {
    digest: digestOf('a'),
    mediaType: OCI_MANIFEST,
    size: 1,
    repository: 'team/native' as Repository,
    tag: 'v1' as Tag,
    pushed: 1_700_000_000_123_456_789n,
    composed: false,
    mirror: undefined,
  }
  const untagged = { ...entry, digest: digestOf('b', 'sha512'), tag: undefined, mirror: 'hub' }
  const composed = { ...entry, mediaType: OCI_INDEX, pushed: undefined, composed: true } as const

  const parse = (text: string) => parseLayoutIndex(Buffer.from(text))
  const refused = (work: () => unknown) => refusal((async () => work())())

  describe('index.json', () => {
    it('has a line for each entry, which comes back as it was', () => {
      const entries = [entry, untagged, composed]
      const text = layoutIndex(entries, [])
      expect(text.split('\n')).to.have.length(entries.length + 3)
      expect(parse(text)).to.deep.equal({ entries, scope: [], others: [] })
    })

    it('names a tag by its repository, and alone where the layout is of one repository', () => {
      const nameIn = (scope: string[]) =>
        JSON.parse(layoutIndex([entry], scope)).manifests[0].annotations['org.opencontainers.image.ref.name']
      expect(nameIn([])).to.equal('team/native:v1')
      expect(nameIn(['team/native'])).to.equal('v1')
      expect(nameIn(['team/native', 'a'])).to.equal('team/native:v1')
    })

    it('tells which repositories were asked for', () => {
      expect(parse(layoutIndex([], ['b', 'a', 'b'])).scope).to.deep.equal(['a', 'b'])
      expect(sameScope(['b', 'a'], ['a', 'b', 'b'])).to.equal(true)
      expect(sameScope([], ['a'])).to.equal(false)
    })

    const listed = (descriptor: object, more: object = {}) =>
      parse(
        JSON.stringify({
          schemaVersion: 2,
          manifests: [{ mediaType: OCI_MANIFEST, digest: entry.digest, size: 1, ...descriptor }],
          ...more,
        }),
      )

    for (const [name, tag] of [
      ['v1', 'v1'],
      ['docker.io/library/alpine:3.20', '3.20'],
      ['localhost:5000/app', undefined],
      ['../../etc', undefined],
      ['', undefined],
    ] as const) {
      it(`of another tool, with the name ${JSON.stringify(name)} -> ${tag ?? 'no'} tag`, () => {
        const { entries, scope } = listed({ annotations: { 'org.opencontainers.image.ref.name': name } })
        expect(entries[0]).to.deep.include({ tag, repository: undefined, pushed: undefined, composed: false })
        expect(scope).to.equal(undefined)
      })
    }

    for (const [what, descriptor] of [
      ['of a type that is not known', { mediaType: 'application/xml' }],
      ['of an algorithm that is not known', { digest: `blake3:${'0'.repeat(64)}` }],
    ] as const) {
      it(`with an entry ${what} -> is read without it`, () => {
        const { entries, others } = listed(descriptor)
        expect(entries).to.deep.equal([])
        expect(others).to.have.length(1)
      })
    }

    for (const [what, text, error] of [
      ['no JSON', '{', 'MANIFEST_INVALID'],
      ['one name twice', '{"schemaVersion":2,"manifests":[],"manifests":[]}', 'MANIFEST_INVALID'],
      ['no list', '{"schemaVersion":2}', 'MANIFEST_INVALID'],
      ['an image', JSON.stringify({ schemaVersion: 2, config: {}, layers: [] }), 'MANIFEST_INVALID'],
      [
        'a digest of too few digits',
        JSON.stringify({
          schemaVersion: 2,
          manifests: [{ mediaType: OCI_MANIFEST, digest: 'sha256:0', size: 1 }],
        }),
        'MANIFEST_INVALID',
      ],
      [
        'a repository that is none',
        layoutIndex([{ ...entry, repository: '../up' as Repository }], []),
        'NAME_INVALID',
      ],
    ] as const) {
      it(`with ${what} -> ${error}`, async () => {
        expect(await refused(() => parse(text))).to.equal(error)
      })
    }
  })

  describe('oci-layout', () => {
    it('is read as it is written', () => checkLayoutHeader(Buffer.from(LAYOUT_HEADER)))

    for (const text of ['', '[]', '{}', '{"imageLayoutVersion":"2.0.0"}', '{"imageLayoutVersion":1}']) {
      it(`${JSON.stringify(text)} -> MANIFEST_INVALID`, async () => {
        expect(await refused(() => checkLayoutHeader(Buffer.from(text)))).to.equal('MANIFEST_INVALID')
      })
    }
  })

  describe('a blob', () => {
    for (const digest of [digestOf('a'), digestOf('a', 'sha512')]) {
      it(`${digest.slice(0, 12)}… has a path, and the path the digest`, () => {
        expect(layoutPath(digest)).to.match(/^blobs\/sha(256|512)\/[0-9a-f]+$/)
        expect(digestAt(layoutPath(digest))).to.equal(digest)
      })
    }

    for (const path of [
      'blobs/sha256/..',
      `blobs/sha256/${'A'.repeat(64)}`,
      `x/${layoutPath(digestOf('a'))}`,
      `${layoutPath(digestOf('a'))}/x`,
      `blobs/sha512/${'0'.repeat(64)}`,
      'blobs/../index.json',
    ]) {
      it(`${path} is none`, () => {
        expect(digestAt(path)).to.equal(undefined)
      })
    }
  })
})
