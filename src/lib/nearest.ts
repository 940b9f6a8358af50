/** The word of the list that is most like this one, for "did you mean"; undefined if none is similar. */
export function nearest(word: string, words: Iterable<string>): string | undefined {
  let best: string | undefined
  // A third of the letters may differ: more is another word.
  let least = Math.floor(word.length / 3) + 1
  for (const candidate of words) {
    const edits = distance(word, candidate)
    if (edits < least) [best, least] = [candidate, edits]
  }
  return best
}

/** Levenshtein distance: letters to insert, remove or replace. */
function distance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, i) => i)
  for (let i = 1; i <= a.length; i++) {
    const next = [i]
    for (let j = 1; j <= b.length; j++) {
      const replaced = (row[j - 1] as number) + (a[i - 1] === b[j - 1] ? 0 : 1)
      next.push(Math.min((row[j] as number) + 1, (next[j - 1] as number) + 1, replaced))
    }
    row = next
  }
  return row[b.length] as number
}
