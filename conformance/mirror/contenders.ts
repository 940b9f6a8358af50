import { join } from 'node:path'
import { Service } from '../bench/service.ts'
import { findClient } from '../support/process.ts'
import { startMirror } from './start.ts'

/** A mirror of everything that the upstream has, under the upstream's names. */
export interface Contender {
  readonly name: string
  readonly url: string
  readonly pid: number
  stop(): Promise<void>
}

/** Ours, and distribution as a pull-through cache where this machine has it. */
export async function startContenders(folder: string, upstream: string): Promise<Contender[]> {
  const ours = await startMirror(join(folder, 'ours'), [{ name: 'upstream', url: upstream }], {
    MEMFLOW_LOG: 'error',
  })
  const contenders: Contender[] = [
    { name: 'memflow-registry', url: ours.url, pid: ours.pid, stop: () => ours.stop() },
  ]
  const distribution = ['registry', 'docker-registry'].map(findClient).find(Boolean)
  if (!distribution) {
    console.log('distribution is left out: there is no registry on PATH or in the folder CLIENTS_BIN')
    return contenders
  }
  const service = await Service.start(join(folder, 'distribution'), (storage, port) => ({
    command: distribution,
    args: ['serve', 'config.yml'],
    env: { OTEL_TRACES_EXPORTER: 'none' },
    files: {
      'config.yml': `version: 0.1
log: { level: error, accesslog: { disabled: true } }
storage: { filesystem: { rootdirectory: ${storage} }, cache: { blobdescriptor: inmemory } }
proxy: { remoteurl: "${upstream}" }
http: { addr: "127.0.0.1:${port}" }
`,
    },
  }))
  const { url, pid } = service
  return [...contenders, { name: 'distribution', url, pid, stop: () => service.stop() }]
}
