import { access } from 'node:fs/promises'
import { type Config, ConfigError } from '../config.ts'

/** Throws `ConfigError` where there is no storage: a command that looks at one makes none. */
export async function requireStorage({ storageRoot }: Config): Promise<void> {
  await access(storageRoot).catch(cause => {
    throw new ConfigError(`MEMFLOW_STORAGE_ROOT: there is no ${storageRoot}`, { cause })
  })
}
