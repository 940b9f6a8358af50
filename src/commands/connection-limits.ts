import { type Config, ConfigError } from '../config.ts'
import type { ConnectionLimits } from '../http/connections.ts'
import { type DescriptorShares, descriptorsFor, shareDescriptors } from '../lib/descriptors.ts'

/** More are rarely of use to a registry, and each takes memory. */
const DEFAULT_MOST = 2048

/** With fewer, one client alone would find the registry busy. */
const FEWEST = 8

/** The limits of the settings, or those that fit the limit of open files. Throws `ConfigError` if they do not fit it. */
export function connectionLimits(
  config: Pick<Config, 'maxConnections' | 'maxConnectionsPerAddress'>,
  { limit, connections }: DescriptorShares = shareDescriptors(),
): ConnectionLimits {
  if (connections < FEWEST) {
    throw new ConfigError(
      `this process may open ${limit} files, which is too few: allow at least ${descriptorsFor(FEWEST)} (ulimit -n)`,
    )
  }
  const maxConnections =
    config.maxConnections === 'auto' ? Math.min(DEFAULT_MOST, connections) : config.maxConnections
  if (maxConnections > connections) {
    throw new ConfigError(
      `MEMFLOW_MAX_CONNECTIONS: this process may open ${limit} files, which is enough for ${connections} connections ` +
        `and not for ${maxConnections}: set it to at most ${connections}, or allow ${descriptorsFor(maxConnections)} files (ulimit -n)`,
    )
  }
  const maxConnectionsPerAddress =
    config.maxConnectionsPerAddress === 'auto'
      ? Math.max(1, maxConnections >> 1)
      : config.maxConnectionsPerAddress
  if (maxConnectionsPerAddress > maxConnections) {
    throw new ConfigError(
      `MEMFLOW_MAX_CONNECTIONS_PER_ADDRESS: ${maxConnectionsPerAddress} is more than the ${maxConnections} connections in all: ` +
        'set it to at most that, or raise MEMFLOW_MAX_CONNECTIONS',
    )
  }
  return { maxConnections, maxConnectionsPerAddress }
}
