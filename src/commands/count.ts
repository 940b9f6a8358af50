import { formatSize } from '../lib/format-size.ts'

/** `1 blob`, `2 blobs`, `2 repositories`. */
export function count(n: number, one: string, more = `${one}s`): string {
  return `${n} ${n === 1 ? one : more}`
}

/** `2 repositories, 1 manifest, 3 tags, 5 blobs (1.2 MiB)`, without what is not told. */
export function contents(numbers: {
  readonly repositories: number
  readonly manifests: number
  readonly tags?: number
  readonly blobs: number
  /** Of the blobs. */
  readonly bytes?: number
}): string {
  const { repositories, manifests, tags, blobs, bytes } = numbers
  return [
    count(repositories, 'repository', 'repositories'),
    count(manifests, 'manifest'),
    ...(tags === undefined ? [] : [count(tags, 'tag')]),
    count(blobs, 'blob') + (bytes === undefined ? '' : ` (${formatSize(bytes)})`),
  ].join(', ')
}
