import { globs } from '../lib/glob.ts'
import type { MirrorSettings } from '../mirror-settings.ts'
import { HttpMemflowUpstream } from '../remote/memflow-upstream.ts'
import { HttpOciUpstream } from '../remote/oci-upstream.ts'
import { syncPlugin } from './sync-plugin.ts'
import { syncRepository } from './sync-repository.ts'
import type { SyncRun } from './sync-run.ts'

/** An upstream to bring things from: its names, and what each of them is here. */
export interface SyncSource {
  /** All that it lists. Throws `RemoteError`. */
  names(): AsyncIterable<string>
  /** What the upstream's name is called here. */
  localName(name: string): string
  sync(run: SyncRun, name: string): Promise<void>
  close(): Promise<void>
}

/** `tags`: patterns of those that are wanted. */
export function syncSource(settings: MirrorSettings, tags: readonly string[] = ['**']): SyncSource {
  return settings.kind === 'oci' ? repositories(settings, globs(tags)) : plugins(settings)
}

function repositories(settings: MirrorSettings, wanted: (tag: string) => boolean): SyncSource {
  const upstream = new HttpOciUpstream(settings)
  const { prefix } = settings
  const localName = (name: string) => (prefix === undefined ? name : `${prefix}/${name}`)
  return {
    localName,
    names: async function* () {
      let page = await upstream.repositories(1000)
      yield* page.repositories
      while (page.next !== undefined) {
        page = await upstream.repositories(1000, page.next)
        yield* page.repositories
      }
    },
    sync: (run, name) => syncRepository(run, localName(name), wanted),
    close: () => upstream.close(),
  }
}

function plugins(settings: MirrorSettings): SyncSource {
  const upstream = new HttpMemflowUpstream(settings)
  return {
    localName: name => name,
    names: async function* () {
      for (const { name } of await upstream.names()) yield name
    },
    sync: (run, name) => syncPlugin(run, name, upstream),
    close: () => upstream.close(),
  }
}
