import type { AddressInfo } from 'node:net'
import { isatty } from 'node:tty'
import { setFlagsFromString } from 'node:v8'
import type { KeptToken } from '../bearer-token.ts'
import { compose } from '../compose.ts'
import { type Config, ConfigError } from '../config.ts'
import { closeServer, createHttpServer } from '../http/server.ts'
import { createLogger } from '../log.ts'
import { connectionLimits } from './connection-limits.ts'

/**
 * By how much the heap may grow before all of it is looked through again. V8 counts the bytes of bodies as growth and,
 * once it has tidied up in an idle moment, allows hardly any: pushes would spend a third of their processor time on a heap
 * that has nothing to give back.
 */
const HEAP_GROWTH = '--heap-growing-percent=100'

/** Serves until SIGINT or SIGTERM; requests under way are finished. Throws `ConfigError` where it cannot start. */
export async function serve(config: Config): Promise<void> {
  setFlagsFromString(HEAP_GROWTH)
  const log = createLogger(config.logLevel, config.logFormat)
  const limits = connectionLimits(config)
  const { app, keys, token, close } = await compose(config, log)
  const server = createHttpServer(app, {
    limits,
    onRefused: counts => log.warn({ ...counts, ...limits }, 'connections were turned away'),
  })
  const { host, port } = config.address
  await new Promise<void>((resolve, reject) => {
    server.once('error', error =>
      reject(new ConfigError(`MEMFLOW_ADDR: cannot listen on ${host}:${port}: ${error.message}`)),
    )
    server.listen(port, host, resolve)
  }).catch(async error => {
    await close()
    throw error
  })
  const { port: bound } = server.address() as AddressInfo
  const name = host.includes(':') ? `[${host}]` : host
  process.stdout.write(`memflow-registry serves http://${name}:${bound} from ${config.storageRoot}\n`)
  if (token) process.stdout.write(tokenNotice(token))
  if (keys.length === 0)
    log.warn('no public key is set (MEMFLOW_PUBLIC_KEY_FILE): signatures are not verified')
  else
    log.info(
      { keys: keys.map(({ fingerprint, source }) => ({ fingerprint, source })) },
      'signatures are verified',
    )
  await stopSignal()
  await closeServer(server)
  await close()
}

/** Says where the token is. Only a terminal shows a new token itself, because logs are kept and read by others. */
function tokenNotice({ token, file, fresh }: KeptToken): string {
  if (!fresh) return `the token for uploads is in ${file}\n`
  if (isatty(1)) return `a token for uploads was made: ${token}\nit is kept in ${file}\n`
  return `a token for uploads was made; to see it: cat ${file}\n`
}

function stopSignal(): Promise<void> {
  return new Promise(resolve => {
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => resolve())
  })
}
