import type { Context } from 'koa'
import type { Stale } from '../core/reads.ts'

/** Says that the answer is a kept one because an upstream failed, in the form of distribution-spec, Warnings. */
export function warnOfAge(ctx: Context, { reason, age }: Stale): void {
  warn(ctx, `this is what was kept: ${reason}`)
  if (age !== undefined) ctx.set('Age', String(age))
}

/** distribution-spec, Warnings: a text for the user in the only form that clients show. */
export function warn(ctx: Context, text: string): void {
  const quoted = text.replace(/[^\x20-\x7e]/g, '?').replace(/["\\]/g, '\\$&')
  ctx.append('Warning', `299 - "${quoted}"`)
}
