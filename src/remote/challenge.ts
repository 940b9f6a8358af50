/** One challenge of a WWW-Authenticate header. */
export interface Challenge {
  /** In lower case. */
  readonly scheme: string
  /** Names in lower case. */
  readonly parameters: ReadonlyMap<string, string>
}

const TOKEN = "[!#$%&'*+.^_`|~0-9A-Za-z-]+"

/** RFC 9110, 11.3 and 11.6.1: a parameter, or a scheme with the token68 that may stand in place of parameters. */
const ITEM = new RegExp(
  String.raw`[\s,]*(?:(?<name>${TOKEN})\s*=\s*(?:"(?<quoted>(?:[^"\\]|\\.)*)"|(?<plain>${TOKEN}))` +
    String.raw`|(?<scheme>${TOKEN})(?=[\s,]|$)(?: +[A-Za-z0-9._~+/-]+=*(?=\s*(?:,|$)))?)`,
  'gy',
)

/** All challenges, in their order. What is malformed ends the list. */
export function parseChallenges(header: string): Challenge[] {
  const challenges: { scheme: string; parameters: Map<string, string> }[] = []
  for (const { groups = {} } of header.matchAll(ITEM)) {
    const { name, quoted, plain = quoted?.replace(/\\(.)/g, '$1'), scheme } = groups
    if (scheme !== undefined) challenges.push({ scheme: scheme.toLowerCase(), parameters: new Map() })
    else if (name !== undefined) challenges.at(-1)?.parameters.set(name.toLowerCase(), plain ?? '')
  }
  return challenges
}
