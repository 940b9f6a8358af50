import { findClient } from './process.ts'
import type { Launcher } from './service.ts'

/** What the program of distribution is called: by the project, and by Linux distributions. */
export const DISTRIBUTION_NAMES = ['registry', 'docker-registry']

/** The program of distribution, which nobody installs on CI; undefined where this machine has none. */
export function findDistribution(): string | undefined {
  return DISTRIBUTION_NAMES.map(findClient).find(Boolean)
}

/** Distribution without its log; `more` are further lines of its configuration, `files` what they name. */
export function distribution(
  program: string,
  more = '',
  files: Readonly<Record<string, string>> = {},
): Launcher {
  return (folder, port) => ({
    command: [program, 'serve', 'config.yml'],
    env: { OTEL_TRACES_EXPORTER: 'none' },
    files: {
      ...files,
      'config.yml': `version: 0.1
log: { level: error, accesslog: { disabled: true } }
storage: { filesystem: { rootdirectory: ${folder} }, cache: { blobdescriptor: inmemory } }
http: { addr: "127.0.0.1:${port}" }
${more}
`,
    },
  })
}
