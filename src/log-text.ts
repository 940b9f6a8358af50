/** A line of the log as JSON has it. */
export type LogRecord = Readonly<Record<string, unknown>> & {
  readonly time: string
  readonly level: string
  readonly msg: string
}

/** An access line has these in this order and without names. */
const REQUEST = ['client', 'method', 'path', 'status'] as const

/** The record for people: `2026-11-28T12:30:27.123Z info  request 127.0.0.1 GET /v2/ 401 out=87 ms=0.4`. */
export function textLine({ time, level, msg, err, ...fields }: LogRecord): string {
  const named: Record<string, unknown> = { ...fields }
  const words: string[] = []
  if (msg === 'request') {
    for (const name of REQUEST) {
      words.push(shown(named[name]))
      delete named[name]
    }
  }
  for (const [name, value] of Object.entries(named)) words.push(`${name}=${shown(value)}`)
  const line = [time, level.padEnd(5), msg, ...words].join(' ')
  return `${line}${err === undefined ? '' : `\n${errorText(err)}`}\n`
}

/** Quoted if it could be taken for several fields, or could move the cursor of a terminal. */
function shown(value: unknown): string {
  const text = typeof value === 'string' ? value : JSON.stringify(value)
  return typeof value === 'string' && /[^\x21-\x7e]|^$|"/.test(value) ? JSON.stringify(value) : text
}

/** What went wrong, then where, indented. */
function errorText(error: unknown): string {
  const { message = '', stack = '' } = (typeof error === 'object' && error !== null ? error : {}) as {
    message?: string
    stack?: string
  }
  return (stack || message || JSON.stringify(error)).replace(/^/gm, '    ').replace(/[^\x20-\x7e\n]/g, '?')
}
