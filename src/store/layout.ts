import { join, resolve } from 'node:path'
import { type Algorithm, algorithmOf, type Digest, hexOf } from '../oci/digest.ts'

const UPLOAD_ID = /^[a-z0-9-]{1,128}$/

/** All that an upload's id can be; so it is always the name of one file, never a path. */
export function isUploadId(id: string): boolean {
  return UPLOAD_ID.test(id)
}

/** Where things lie under the root: `blobs/sha256/ab/<hex>`, `uploads/<id>`, `quarantine/sha256-<hex>`, `layout` and `verified`. */
export class Layout {
  readonly root: string
  readonly uploads: string
  /** The file that tells how things lie here, see layout-version.ts. */
  readonly version: string
  /** The file that remembers which blobs were found right, see verified-file.ts. */
  readonly verified: string
  readonly algorithms: readonly Algorithm[] = ['sha256', 'sha512']
  /** The first two hex digits: with them a million blobs are 4,000 names a folder. */
  readonly shards: readonly string[] = Array.from({ length: 256 }, (_, i) => i.toString(16).padStart(2, '0'))

  constructor(root: string) {
    this.root = resolve(root)
    this.uploads = join(this.root, 'uploads')
    this.version = join(this.root, 'layout')
    this.verified = join(this.root, 'verified')
  }

  /** The folder of all shards of an algorithm, or of all algorithms. */
  blobs(algorithm: Algorithm | '' = ''): string {
    return join(this.root, 'blobs', algorithm)
  }

  blob(digest: Digest): string {
    const hex = hexOf(digest)
    return join(this.blobs(algorithmOf(digest)), hex.slice(0, 2), hex)
  }

  /** Where the damaged file of that blob goes. */
  quarantined(digest: Digest): string {
    return join(this.root, 'quarantine', `${algorithmOf(digest)}-${hexOf(digest)}`)
  }

  upload(id: string): string {
    return join(this.uploads, id)
  }
}
