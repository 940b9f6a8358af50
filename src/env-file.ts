import { readFileSync } from 'node:fs'
import { parseEnv } from 'node:util'

/**
 * The variables of a .env file; none if there is no such file. Throws with the number of the first line that is neither
 * a comment nor an assignment: `parseEnv` passes over it, and a setting would be lost without a word.
 */
export function readEnvFile(path: string): Record<string, string> {
  let text: string
  try {
    text = readFileSync(path, 'utf8')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return {}
    throw error
  }
  const line = firstMalformed(text)
  if (line === undefined) return parseEnv(text) as Record<string, string>
  throw new Error(`line ${line} is not of the form NAME=value`)
}

/** Counted from 1. */
function firstMalformed(text: string): number | undefined {
  let quote: string | undefined
  for (const [i, line] of text.split(/\r?\n/).entries()) {
    if (quote !== undefined) {
      // A value in quotes may go over several lines.
      if (line.includes(quote)) quote = undefined
      continue
    }
    if (/^\s*(?:#|$)/.test(line)) continue
    const [, value] = /^\s*(?:export\s+)?[A-Za-z_][\w.-]*\s*=\s*(.*)$/.exec(line) ?? []
    if (value === undefined) return i + 1
    const [, opened, rest = ''] = /^(["'`])(.*)$/.exec(value) ?? []
    if (opened !== undefined && !rest.includes(opened) && closesLater(text, i, opened)) quote = opened
  }
  return undefined
}

/** Without an end, the quote is a part of the value, as `parseEnv` takes it. */
function closesLater(text: string, line: number, quote: string): boolean {
  return text
    .split(/\r?\n/)
    .slice(line + 1)
    .some(later => later.includes(quote))
}
