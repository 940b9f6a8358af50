import type { Context } from 'koa'
import type { Stale } from '../core/reads.ts'

/** Says that the answer is a kept one because an upstream failed, in the form of distribution-spec, Warnings. */
export function warnOfAge(ctx: Context, { reason, age }: Stale): void {
  const text = `this is what was kept: ${reason}`.replace(/[^\x20-\x7e]/g, '?').replace(/["\\]/g, '\\$&')
  ctx.set('Warning', `299 - "${text}"`)
  if (age !== undefined) ctx.set('Age', String(age))
}
