import { buffer } from 'node:stream/consumers'
import { expect } from 'chai'
import { type MirrorRules, Mirrors } from '../../src/core/mirror/mirrors.ts'
import type { Pull } from '../../src/core/mirror/pull.ts'
import { CLAIMS } from '../../src/index/tables.ts'
import type { Digest } from '../../src/oci/digest.ts'
import { HttpOciUpstream } from '../../src/remote/oci-upstream.ts'
import { mirrorOf } from './mirror.ts'
import { type CoreRegistry, repo, tag } from './registry.ts'

/** A mirror of everything that the upstream there has, under the upstream's names. */
export function mirrorsOf(url: string, rules: Partial<MirrorRules> = {}): Mirrors {
  const settings = mirrorOf(url, { prefix: undefined })
  return new Mirrors([{ rules: { ...settings, ...rules }, upstream: new HttpOciUpstream(settings) }])
}

/** What a client asks for to have the tag `v1`; without a layer, for its manifest alone. */
export async function pull({ reads }: CoreRegistry, repository: string, layer?: Digest): Promise<void> {
  await reads.manifest(repo(repository), tag('v1'))
  if (!layer) return
  const blob = await reads.blob(repo(repository), layer, 'bytes')
  await buffer((await blob.open()).read())
  // It is held, and searched for plugins, behind the last byte.
  await (reads as Pull).settled()
}

/** That plugins were found in what was pulled. */
export async function expectClaimed(registry: CoreRegistry): Promise<void> {
  expect(await registry.rows(CLAIMS)).not.to.deep.equal({})
}
