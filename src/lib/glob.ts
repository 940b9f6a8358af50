/**
 * Whether a text fits one of the patterns: `*` is any run of characters within a part between slashes,
 * `**` any run at all, everything else itself.
 */
export function globs(patterns: readonly string[]): (text: string) => boolean {
  const matchers = patterns.map(pattern => {
    const source = pattern
      .split(/(\*\*|\*)/)
      .map(part => (part === '**' ? '.*' : part === '*' ? '[^/]*' : part.replace(/[^\w/-]/g, '\\$&')))
    return new RegExp(`^${source.join('')}$`, 'su')
  })
  return text => matchers.some(matcher => matcher.test(text))
}
