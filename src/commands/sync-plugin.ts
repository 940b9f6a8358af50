import { doJobs } from '../lib/jobs.ts'
import type { MemflowUpstream } from '../remote/contract.ts'
import { AT_ONCE, type SyncRun } from './sync-run.ts'

/** Brings all binaries that a memflow upstream has of a plugin. */
export async function syncPlugin(run: SyncRun, name: string, upstream: MemflowUpstream): Promise<void> {
  const files = new Set<string>()
  await run.attempt(name, async () => {
    for (const { digest } of await upstream.variants(name)) files.add(digest)
    if (files.size === 0) throw new Error('the upstream has no plugin of that name')
  })
  await doJobs([...files], AT_ONCE, digest =>
    run.attempt(`${name} ${digest.slice(0, 7)}`, () => run.blob(`/files/${digest}`)),
  )
}
