import { expect } from 'chai'
import type { Answer } from './answer.ts'
import { type Descriptor, OCI_INDEX } from './content.ts'
import { expectStatus } from './expect.ts'

/** The descriptors of a referrers list, which must be an image index. */
export function listed(answer: Answer): Descriptor[] {
  expectStatus(answer, 200)
  const { schemaVersion, mediaType, manifests } = answer.json() as {
    schemaVersion: number
    mediaType: string
    manifests: Descriptor[]
  }
  expect({ schemaVersion, mediaType }).to.deep.equal({ schemaVersion: 2, mediaType: OCI_INDEX })
  return manifests
}

export const SBOM = 'application/vnd.example.sbom.v1+json'
export const SIGNATURE = 'application/vnd.example.signature.v1'
