/** `1 blob`, `2 blobs`, `2 repositories`. */
export function count(n: number, one: string, more = `${one}s`): string {
  return `${n} ${n === 1 ? one : more}`
}
