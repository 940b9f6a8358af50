import type { ServerResponse } from 'node:http'

/** Whether nobody can read the response any more: its connection is closed, or its client has closed its half. */
export function isGone(res: ServerResponse): boolean {
  return res.closed || res.destroyed || res.socket?.writable === false
}

/** The error of work that has lost its client. */
export function clientHasGone(): Error {
  return Object.assign(new Error('the client has gone'), { code: 'ECONNRESET' })
}
