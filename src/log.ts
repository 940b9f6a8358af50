import { type Logger, pino } from 'pino'

export type { Logger }

export const LOG_LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'off'] as const

export type LogLevel = (typeof LOG_LEVELS)[number]

/** JSON lines on standard error: messages are constant, facts are fields. */
export function createLogger(level: LogLevel): Logger {
  // Without `base`: process id and host name are known to whatever collects the lines.
  return pino(
    { level: level === 'off' ? 'silent' : level, base: null },
    pino.destination({ fd: 2, sync: false }),
  )
}
