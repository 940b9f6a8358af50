import { ConfigError } from '../config.ts'
import { parseRepository, type Repository } from '../oci/name.ts'
import { messageOf } from './message.ts'

/** The repository that `--repository` names. Throws `ConfigError`. */
export function repositoryOption(name: string): Repository {
  try {
    return parseRepository(name)
  } catch (cause) {
    throw new ConfigError(`--repository: ${JSON.stringify(name)}: ${messageOf(cause)}`, { cause })
  }
}
