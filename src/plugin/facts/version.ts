/** Orders dotted numbers, `2.9` before `2.31`; what is behind a `-` or `+` does not count. */
export function compareVersions(a: string, b: string): number {
  const [left, right] = [numbersOf(a), numbersOf(b)]
  for (let i = 0; i < Math.max(left.length, right.length); i++) {
    const difference = (left[i] ?? 0) - (right[i] ?? 0)
    if (difference !== 0) return difference
  }
  return 0
}

function numbersOf(version: string): number[] {
  return (/^[\d.]*/.exec(version)?.[0] ?? '').split('.').map(Number)
}
