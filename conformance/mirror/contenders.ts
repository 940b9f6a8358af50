import { join } from 'node:path'
import { distribution, findDistribution } from '../support/distribution.ts'
import { Service } from '../support/service.ts'
import { startMirror } from './start.ts'

/** A mirror of everything that the upstream has, under the upstream's names. */
export interface Contender {
  readonly name: string
  readonly service: Service
}

/** Ours, and distribution as a pull-through cache where this machine has it. */
export async function startContenders(folder: string, upstream: string): Promise<Contender[]> {
  const mirrors = [{ name: 'upstream', url: upstream }]
  const ours = await startMirror(join(folder, 'ours'), mirrors, { MEMFLOW_LOG: 'error' })
  const contenders: Contender[] = [{ name: 'memflow-registry', service: ours }]
  const program = findDistribution()
  if (!program) {
    console.log('distribution is left out: there is no registry on PATH or in the folder CLIENTS_BIN')
    return contenders
  }
  const cache = distribution(program, `proxy: { remoteurl: "${upstream}" }`)
  const service = await Service.start(join(folder, 'distribution'), cache)
  return [...contenders, { name: 'distribution', service }]
}
