import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { DISTRIBUTION_NAMES, distribution } from '../support/distribution.ts'
import { findClient } from '../support/process.ts'
import { COMMAND, TOKEN } from '../support/server.ts'
import { type Launcher, Service } from '../support/service.ts'
import type { Headers } from './client.ts'

const SCRIPTS = { koa: 'bare-koa.ts', disk: 'bare-disk.ts' }

export const OURS = 'ours'
export const KOA = 'koa'
export const DISK = 'disk'
export const NGINX = 'nginx'
export const ORIGINAL = 'original'

/** A server that is measured. */
export interface Peer {
  readonly name: string
  readonly service: Service
  /** For requests that write. */
  readonly headers: Headers
}

export async function startOurs(folder: string, env: Record<string, string> = {}): Promise<Peer> {
  const service = await Service.start(folder, (_, port) => ({
    command: COMMAND,
    env: { ...environment(folder, port), MEMFLOW_LOG: 'warn', ...env },
  }))
  return { name: OURS, service, headers: { authorization: `Bearer ${TOKEN}` } }
}

/** The registry of the REST API that was there first, given its binary. */
export async function startOriginal(folder: string, binary: string): Promise<Peer> {
  const service = await Service.start(folder, (_, port) => ({
    command: [binary],
    env: { ...environment(folder, port), RUST_LOG: 'off' },
  }))
  return { name: ORIGINAL, service, headers: { authorization: `Bearer ${TOKEN}` } }
}

function environment(folder: string, port: number): Record<string, string> {
  return {
    MEMFLOW_ADDR: `127.0.0.1:${port}`,
    MEMFLOW_STORAGE_ROOT: folder,
    MEMFLOW_BEARER_TOKEN: TOKEN,
  }
}

/** Other registries: what their programs are called, and how each is started for reads and writes without its log. */
const REGISTRIES: Readonly<
  Record<string, { binaries: readonly string[]; launcher: (binary: string) => Launcher }>
> = {
  distribution: { binaries: DISTRIBUTION_NAMES, launcher: binary => distribution(binary) },
  zot: {
    binaries: ['zot', 'zot-minimal'],
    launcher: binary => (folder, port) => ({
      command: [binary, 'serve', 'config.json'],
      files: {
        'config.json': JSON.stringify({
          storage: { rootDirectory: folder },
          http: { address: '127.0.0.1', port: String(port) },
          log: { level: 'error' },
        }),
      },
    }),
  },
  olareg: {
    binaries: ['olareg'],
    launcher: binary => (folder, port) => ({
      command: [
        ...[binary, 'serve', '--verbosity', 'error', '--dir', folder],
        ...['--addr', '127.0.0.1', '--port', String(port)],
      ],
    }),
  },
}

export const REGISTRY_NAMES = [OURS, ...Object.keys(REGISTRIES)]

/** Ours and the other registries that this machine has. */
export async function startRegistries(folder: string): Promise<Peer[]> {
  const peers = [await startOurs(join(folder, OURS))]
  for (const [name, { binaries, launcher }] of Object.entries(REGISTRIES)) {
    const binary = binaries.map(findClient).find(Boolean)
    if (!binary) console.log(`${name} is left out: there is no ${binaries.join(' or ')} on PATH`)
    else peers.push({ name, service: await Service.start(join(folder, name), launcher(binary)), headers: {} })
  }
  return peers
}

/** What koa itself costs: the answer of that URL, always. */
export function startKoa(folder: string, url: string): Promise<Peer> {
  return startBare(KOA, folder, url)
}

/** What the disk itself costs. */
export function startDisk(folder: string): Promise<Peer> {
  return startBare(DISK, folder)
}

async function startBare(name: keyof typeof SCRIPTS, folder: string, ...args: string[]): Promise<Peer> {
  const script = fileURLToPath(new URL(SCRIPTS[name], import.meta.url))
  const service = await Service.start(join(folder, name), (_, port) => ({
    command: [process.execPath, '--import', import.meta.resolve('tsx'), script, String(port), ...args],
  }))
  return { name, service, headers: {} }
}

/** Static files of the folder `files` below that one; undefined where there is no nginx. */
export async function startNginx(folder: string): Promise<Peer | undefined> {
  const nginx = findClient('nginx')
  if (!nginx) {
    console.log('nginx is left out: it is not on PATH')
    return undefined
  }
  const service = await Service.start(folder, (_, port) => ({
    command: [nginx, '-e', 'stderr', '-p', folder, '-c', 'nginx.conf'],
    // One process, which is the one whose processor time is read.
    files: {
      'nginx.conf': `daemon off; master_process off; worker_processes 1; pid nginx.pid; user root;
events {}
http {
  access_log off; sendfile on; tcp_nopush on; default_type application/octet-stream;
  client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path fastcgi;
  uwsgi_temp_path uwsgi; scgi_temp_path scgi;
  server { listen 127.0.0.1:${port}; root files; }
}
`,
    },
  }))
  return { name: NGINX, service, headers: {} }
}
