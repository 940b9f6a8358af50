import { readdir, readFile, readlink } from 'node:fs/promises'
import { join } from 'node:path'
import { orAbsent } from '../../src/lib/errno.ts'

/** `memory` in KiB: what a process has to itself. Mapped files count as `mapped`: the system takes those back. */
export const VITALS = [
  'descriptors',
  'index files',
  'connections',
  'threads',
  'staged files',
  'memory',
  'mapped',
] as const

export type Vitals = Readonly<Record<(typeof VITALS)[number], number>>

const LISTEN = '0A'
const TIME_WAIT = '06'

/** What a registry's process holds at this moment; undefined if it does not run. */
export async function vitalsOf(pid: number, url: string, storage: string): Promise<Vitals | undefined> {
  const proc = `/proc/${pid}`
  const status = await orAbsent(readFile(`${proc}/status`, 'utf8'))
  if (!status?.includes('RssAnon')) return undefined
  const field = (name: string) => Number(new RegExp(`^${name}:\\s*(\\d+)`, 'm').exec(status)?.[1] ?? 0)
  const open = await targets(`${proc}/fd`)
  // LevelDB opens and closes tables as it compacts, so these vary by a few.
  const ofIndex = open.filter(target => /\/(?:index|journal)(?:[./]|$)/.test(target))
  return {
    descriptors: open.length - ofIndex.length,
    'index files': ofIndex.length,
    connections: await connectionsTo(Number(new URL(url).port)),
    threads: field('Threads'),
    'staged files': (await orAbsent(readdir(join(storage, 'uploads'))))?.length ?? 0,
    memory: field('RssAnon'),
    mapped: field('RssFile') + field('RssShmem'),
  }
}

async function targets(folder: string): Promise<string[]> {
  const names = (await orAbsent(readdir(folder))) ?? []
  const found = await Promise.all(names.map(name => readlink(join(folder, name)).catch(() => '')))
  return found.filter(target => target !== '')
}

/** Connections whose near end is that port, in all states in which a process may hold them. */
async function connectionsTo(port: number): Promise<number> {
  const near = `:${port.toString(16).toUpperCase().padStart(4, '0')}`
  const [, ...lines] = (await readFile('/proc/net/tcp', 'utf8')).trim().split('\n')
  return lines.filter(line => {
    const [, local = '', , state = ''] = line.trim().split(/\s+/)
    return local.endsWith(near) && state !== LISTEN && state !== TIME_WAIT
  }).length
}
