import { type AddressInfo, createServer } from 'node:net'
import { resolve } from 'node:path'
import { isatty } from 'node:tty'
import { setFlagsFromString } from 'node:v8'
import type { KeptToken } from '../bearer-token.ts'
import { compose } from '../compose.ts'
import { type Config, ConfigError } from '../config.ts'
import { closeServer, createHttpServer } from '../http/server.ts'
import { errno } from '../lib/errno.ts'
import { createLogger } from '../log.ts'
import { connectionLimits } from './connection-limits.ts'
import { Hangups } from './hangups.ts'
import { Reload } from './reload.ts'

/**
 * By how much the heap may grow before all of it is looked through again. V8 counts the bytes of bodies as growth and,
 * once it has tidied up in an idle moment, allows hardly any: pushes would spend a third of their processor time on a heap
 * that has nothing to give back.
 */
const HEAP_GROWTH = '--heap-growing-percent=100'

/**
 * Serves until SIGINT or SIGTERM; requests under way are finished. At SIGHUP `read` returns the settings anew. It stops
 * the server if that runs in a terminal, which sends it when it is closed. Throws `ConfigError` if it cannot start.
 */
export async function serve(config: Config, read: () => Config = () => config): Promise<void> {
  setFlagsFromString(HEAP_GROWTH)
  const log = createLogger(config.logLevel, config.logFormat)
  const limits = { ...connectionLimits(config) }
  const hangups = new Hangups()
  await checkAddress(config)
  const { app, keys, live, token, close } = await compose(config, log)
  const server = createHttpServer(app, {
    limits,
    onRefused: counts => log.warn({ ...counts, ...limits }, 'connections were turned away'),
  })
  const { host, port } = config.address
  await new Promise<void>((resolve, reject) => {
    server.once('error', error => reject(notListening(config, error)))
    server.listen(port, host, resolve)
  }).catch(async error => {
    await close()
    throw error
  })
  // Before anything is printed: a supervisor may send a signal when it reads that line.
  const stopped = stopSignal(hangups.inTerminal)
  const reload = new Reload(config, read, { ...live, log, limits })
  hangups.listen(() => void reload.run())
  const { port: bound } = server.address() as AddressInfo
  const name = host.includes(':') ? `[${host}]` : host
  process.stdout.write(
    `memflow-registry serves http://${name}:${bound} from ${resolve(config.storageRoot)}\n`,
  )
  if (token) process.stdout.write(tokenNotice(token))
  if (keys.length === 0)
    log.warn('no public key is set (MEMFLOW_PUBLIC_KEY_FILE): signatures are not verified')
  else
    log.info(
      { keys: keys.map(({ fingerprint, source }) => ({ fingerprint, source })) },
      'signatures are verified',
    )
  await stopped
  await closeServer(server)
  await close()
}

/** Finds out before a storage is made whether the address is free. Throws `ConfigError`. */
async function checkAddress(config: Config): Promise<void> {
  const { host, port } = config.address
  const probe = createServer()
  await new Promise<void>((resolve, reject) => {
    probe.once('error', error => reject(notListening(config, error)))
    probe.listen(port, host, () => probe.close(() => resolve()))
  })
}

const LISTENING: Record<string, string> = {
  EADDRINUSE: 'it is in use by another process: stop that, or set another port',
  EADDRNOTAVAIL: 'this machine has no such address: set one of its own, or 0.0.0.0 for all',
  EACCES: 'this user may not listen on ports below 1024: set a higher one',
  ENOTFOUND: 'there is no host of that name: set an address of this machine',
}

function notListening({ address: { host, port } }: Config, error: Error): ConfigError {
  const name = host.includes(':') ? `[${host}]` : host
  const reason = LISTENING[errno(error) ?? ''] ?? error.message
  return new ConfigError(`MEMFLOW_ADDR: cannot listen on ${name}:${port}: ${reason}`, { cause: error })
}

/** Says where the token is. Only a terminal shows a new token itself, because logs are kept and read by others. */
function tokenNotice({ token, file, fresh }: KeptToken): string {
  if (!fresh) return `the token for uploads is in ${file}\n`
  if (isatty(1)) return `a token for uploads was made: ${token}\nit is kept in ${file}\n`
  return `a token for uploads was made; to see it: cat ${file}\n`
}

function stopSignal(more: readonly NodeJS.Signals[]): Promise<void> {
  return new Promise(resolve => {
    for (const signal of ['SIGINT', 'SIGTERM', ...more] as const) process.once(signal, () => resolve())
  })
}
