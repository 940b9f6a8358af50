import { expect } from 'chai'
import {
  DOCKER_LIST,
  DOCKER_MANIFEST,
  isManifestMediaType,
  isNonDistributable,
  MANIFEST_KINDS,
  OCI_CONFIG,
  OCI_INDEX,
  OCI_MANIFEST,
} from '../../src/oci/media-types.ts'

describe('oci/media-types', () => {
  it('knows four manifests, two of a kind', () => {
    expect(MANIFEST_KINDS).to.deep.equal({
      [OCI_MANIFEST]: 'image',
      [DOCKER_MANIFEST]: 'image',
      [OCI_INDEX]: 'index',
      [DOCKER_LIST]: 'index',
    })
  })

  it('tells a manifest from all else', () => {
    for (const type of Object.keys(MANIFEST_KINDS)) expect(isManifestMediaType(type), type).to.equal(true)
    for (const type of [
      '',
      OCI_CONFIG,
      'application/json',
      'application/vnd.docker.distribution.manifest.v1+prettyjws',
      `${OCI_MANIFEST} `,
      OCI_MANIFEST.toUpperCase(),
      'toString',
      '__proto__',
    ]) {
      expect(isManifestMediaType(type), type).to.equal(false)
    }
  })

  for (const [type, expected] of Object.entries({
    'application/vnd.oci.image.layer.nondistributable.v1.tar': true,
    'application/vnd.oci.image.layer.nondistributable.v1.tar+gzip': true,
    'application/vnd.oci.image.layer.nondistributable.v1.tar+zstd': true,
    'application/vnd.docker.image.rootfs.foreign.diff.tar.gzip': true,
    'application/vnd.oci.image.layer.v1.tar': false,
    'application/vnd.oci.image.layer.v1.tar+gzip': false,
    'application/vnd.docker.image.rootfs.diff.tar.gzip': false,
    'application/vnd.oci.image.layer.nondistributable': false,
    '': false,
  })) {
    it(`${type || 'nothing'} ${expected ? 'need not' : 'must'} be here`, () => {
      expect(isNonDistributable(type)).to.equal(expected)
    })
  }
})
