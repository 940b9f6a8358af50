import { parseDuration, parseSize } from './lib/units.ts'
import { LOG_LEVELS, type LogLevel } from './log.ts'

/* How the texts of settings are read. Each returns undefined for a text that is not what the setting expects. */

export function any(text: string): string {
  return text
}

/** RFC 6750, 2.1: what an Authorization header can carry. */
export function parseToken(text: string): string | undefined {
  return /^[A-Za-z0-9._~+/-]+=*$/.test(text) ? text : undefined
}

/** An origin is scheme, host and port, and nothing else (RFC 6454, 6.2). */
export function parseOrigins(text: string): readonly string[] | undefined {
  if (text === 'none') return []
  const origins = text.split(/\s*,\s*/)
  const isOrigin = (origin: string) => URL.canParse(origin) && new URL(origin).origin === origin
  return origins.every(origin => origin === '*' || isOrigin(origin)) ? origins : undefined
}

export function orZero(text: string): number | undefined {
  return text === '0' ? 0 : parseSize(text)
}

export function orUnlimited(text: string): number | undefined {
  return text === 'unlimited' ? Number.POSITIVE_INFINITY : parseSize(text)
}

export function orAuto(text: string): number | 'auto' | undefined {
  if (text === 'auto') return text
  return /^[1-9]\d{0,6}$/.test(text) && Number(text) <= 1_000_000 ? Number(text) : undefined
}

export function orZeroOrUnlimited(text: string): number | undefined {
  return text === '0' ? 0 : orUnlimited(text)
}

export function parseRate(text: string): number | undefined {
  if (text === 'unlimited') return Number.POSITIVE_INFINITY
  return /^[1-9]\d{0,8}$/.test(text) ? Number(text) : undefined
}

export function orNever(text: string): number | undefined {
  return text === 'never' ? Number.POSITIVE_INFINITY : parseDuration(text)
}

export function orOff(text: string): number | undefined {
  return text === 'off' ? Number.POSITIVE_INFINITY : parseDuration(text)
}

export function parseSwitch(text: string): boolean | undefined {
  if (/^(?:true|1|yes)$/i.test(text)) return true
  return /^(?:false|0|no)$/i.test(text) ? false : undefined
}

export function parseAddress(text: string): { host: string; port: number } | undefined {
  const [, bracketed, plain, digits] = /^(?:\[([0-9a-f:.]+)\]|([A-Za-z0-9.-]*)):(\d{1,5})$/i.exec(text) ?? []
  const port = Number(digits)
  return digits !== undefined && port < 65_536 ? { host: bracketed ?? (plain || '0.0.0.0'), port } : undefined
}

/** A level, also in the original's form: `info,memflow_registry=debug` names one for each module. */
export function parseLevel(text: string): LogLevel | undefined {
  const parts = text.toLowerCase().split(/\s*,\s*/)
  const own = parts.find(part => part.startsWith('memflow_registry='))?.split('=')[1]
  const level = own ?? parts.find(part => !part.includes('=')) ?? 'info'
  return LOG_LEVELS.find(known => known === level)
}
