import type { Kind } from '../../spec/support/upstream/answers.ts'
import type { Expected } from './faults.ts'
import type { Stock } from './stock.ts'

/** A request in two forms: of what the mirror has, and of what it has not. */
export interface Question {
  readonly title: string
  readonly method: 'GET' | 'HEAD'
  /** What the upstream is asked for, and fails at. */
  readonly kind: Kind
  readonly fails: keyof Expected
  /** Below the repositories of the upstream. */
  readonly kept: (stock: Stock) => string
  readonly absent: (stock: Stock) => string
  /** Whether the upstream is asked although the mirror has an answer, which is served with a Warning if that fails. */
  readonly renewed: boolean
  /** Whether the upstream's tokens are needed. */
  readonly tokens?: boolean
}

const manifest = { kind: 'manifest', fails: 'manifest' } as const
const blob = { kind: 'blob', fails: 'blob' } as const

export const MANIFESTS: readonly Question[] = [
  {
    ...manifest,
    title: 'a manifest by tag',
    method: 'GET',
    kept: () => 'app/manifests/kept',
    absent: () => 'app/manifests/absent',
    renewed: true,
  },
  {
    ...manifest,
    title: 'a manifest by tag, by HEAD',
    method: 'HEAD',
    kept: () => 'app/manifests/kept',
    absent: () => 'app/manifests/absent',
    renewed: true,
  },
  {
    ...manifest,
    title: 'a manifest by digest',
    method: 'GET',
    kept: ({ kept }) => `app/manifests/${kept.manifest}`,
    absent: ({ absent }) => `app/manifests/${absent.manifest}`,
    renewed: false,
  },
]

export const BLOBS: readonly Question[] = [
  {
    ...blob,
    title: 'a blob',
    method: 'GET',
    kept: ({ kept }) => `app/blobs/${kept.layer}`,
    absent: ({ absent }) => `app/blobs/${absent.layer}`,
    renewed: false,
  },
  {
    ...blob,
    title: 'a blob, by HEAD',
    method: 'HEAD',
    kept: ({ kept }) => `app/blobs/${kept.layer}`,
    absent: ({ absent }) => `app/blobs/${absent.layer}`,
    renewed: false,
  },
]

export const LISTS: readonly Question[] = [
  {
    title: 'the list of tags',
    method: 'GET',
    kind: 'tags',
    fails: 'list',
    kept: () => 'app/tags/list',
    absent: () => 'other/tags/list',
    renewed: true,
  },
  {
    title: 'referrers',
    method: 'GET',
    kind: 'referrers',
    fails: 'list',
    kept: ({ kept }) => `app/referrers/${kept.manifest}`,
    absent: ({ other }) => `other/referrers/${other.manifest}`,
    renewed: true,
  },
]

export const TOKENS: readonly Question[] = [
  {
    title: 'a manifest that needs a token',
    method: 'GET',
    kind: 'token',
    fails: 'token',
    kept: () => 'app/manifests/kept',
    absent: () => 'other/manifests/absent',
    renewed: true,
    tokens: true,
  },
]
