import type { Context } from 'koa'

/** The parameters of the query. Not by `ctx.URL`, which is empty where the Host header is none. */
export function parametersOf(ctx: Context): URLSearchParams {
  return new URLSearchParams(ctx.querystring)
}
