import { doJobs } from '../lib/jobs.ts'
import { type Digest, hexOf, isDigest } from '../oci/digest.ts'
import { blobsOf, childrenOf, type Descriptor } from '../oci/manifest.ts'
import { isNonDistributable } from '../oci/media-types.ts'
import { AT_ONCE, type SyncRun } from './sync-run.ts'

interface Job {
  readonly kind: 'manifest' | 'referrers' | 'blob'
  /** A digest; of a manifest also a tag. */
  readonly reference: string
}

/**
 * Brings a repository: the tags that are wanted, all that their manifests name, for every platform, and what is attached
 * to them, such as signatures. Of content that is not distributed nothing is asked for.
 */
export async function syncRepository(
  run: SyncRun,
  repository: string,
  wanted: (tag: string) => boolean,
): Promise<void> {
  const { client, tally } = run
  const seen = new Set<string>()
  const tags = new Set<string>()

  /** Answers what comes next. */
  const manifest = async (reference: string): Promise<Job[]> => {
    const { digest, manifest } = await client.manifest(repository, reference)
    if (reference !== digest) tally.tags++
    if (seen.has(digest) && reference !== digest) return []
    seen.add(digest)
    tally.manifests++
    return [
      { kind: 'referrers', reference: digest },
      ...jobsFor('manifest', attachedTo(digest, tags)),
      ...jobsFor('manifest', fetchedOf(childrenOf(manifest))),
      ...jobsFor('blob', fetchedOf(blobsOf(manifest))),
    ]
  }

  const follow: Record<Job['kind'], (reference: string) => Promise<Job[]>> = {
    manifest,
    referrers: async subject => {
      const { digests, fault } = await client.referrers(repository, subject)
      if (fault !== undefined) run.fail(`what is attached to ${repository}@${subject}`, fault)
      return jobsFor('manifest', digests)
    },
    blob: async digest => {
      await run.blob(`/v2/${repository}/blobs/${digest}`)
      return []
    },
  }

  await run.attempt(repository, async () => {
    for (const tag of await client.tags(repository)) tags.add(tag)
  })
  const first = [...tags].filter(wanted)
  for (const tag of first) seen.add(tag)
  await doJobs(jobsFor('manifest', first), AT_ONCE, async ({ kind, reference }, add) => {
    const item = `${repository}${isDigest(reference) ? '@' : ':'}${reference}`
    await run.attempt(kind === 'referrers' ? `what is attached to ${item}` : item, async () => {
      for (const job of await follow[kind](reference)) {
        if (job.kind !== 'referrers' && seen.has(job.reference)) continue
        seen.add(job.reference)
        add(job)
      }
    })
  })
}

function jobsFor(kind: Job['kind'], references: readonly string[]): Job[] {
  return references.map(reference => ({ kind, reference }))
}

function fetchedOf(named: readonly Descriptor[]): string[] {
  return named
    .filter(({ digest, mediaType }) => isDigest(digest) && !isNonDistributable(mediaType))
    .map(({ digest }) => digest)
}

/** Signatures and the like by the tags that cosign, and the referrers tag schema, give them. */
function attachedTo(digest: Digest, tags: ReadonlySet<string>): string[] {
  const stem = `${digest.slice(0, digest.indexOf(':'))}-${hexOf(digest)}`
  return ['', '.sig', '.att', '.sbom'].map(end => stem + end).filter(tag => tags.has(tag))
}
