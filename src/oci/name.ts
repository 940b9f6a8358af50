import { createHash } from 'node:crypto'
import { RegistryError } from './errors.ts'

/** A repository name that has passed `parseRepository`. */
export type Repository = string & { readonly __repository: true }

/** A tag that has passed `parseTag`. */
export type Tag = string & { readonly __tag: true }

// distribution-spec, Pulling manifests. No two branches begin alike, so matching is linear.
const REPOSITORY = /^[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*(?:\/[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*)*$/
const TAG = /^[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}$/

/** The spec's note on <name>: many clients allow 255 characters for host and name together. */
const MAX_REPOSITORY_LENGTH = 255

export function isTag(text: string): text is Tag {
  return TAG.test(text)
}

export function isRepository(text: string): text is Repository {
  return text.length <= MAX_REPOSITORY_LENGTH && REPOSITORY.test(text)
}

/** The repository that the text names. Throws `NAME_INVALID`. */
export function parseRepository(text: string): Repository {
  if (isRepository(text)) return text
  throw new RegistryError('NAME_INVALID', {
    message: `a repository name is at most ${MAX_REPOSITORY_LENGTH} lower-case letters, digits and single . _ - between them, in parts divided by /`,
    detail: { name: text.slice(0, MAX_REPOSITORY_LENGTH) },
  })
}

/** The tag that the text spells. Throws `TAG_INVALID`. */
export function parseTag(text: string): Tag {
  if (TAG.test(text)) return text as Tag
  throw new RegistryError('TAG_INVALID', {
    message: 'a tag is at most 128 letters, digits, . _ and -, and begins with a letter, a digit or _',
    detail: { tag: text.slice(0, 128) },
  })
}

/** The repository of the plugin of that name: lower case, and what the grammar lacks becomes `-`. */
export function repositoryOf(plugin: string): Repository {
  const fitted = plugin
    .toLowerCase()
    .replace(/[^a-z0-9._-]+/g, '-')
    .replace(/[._-]{2,}/g, '-')
    .slice(0, 128)
    .replace(/^[._-]+|[._-]+$/g, '')
  // A name of which nothing is left still needs a home of its own.
  return (fitted || `plugin-${createHash('sha256').update(plugin).digest('hex').slice(0, 12)}`) as Repository
}

/** The text as a tag: `+` of semantic versions becomes `_`, what the grammar lacks `-`; undefined where nothing fits. */
export function tagOf(text: string): Tag | undefined {
  const fitted = text
    .replaceAll('+', '_')
    .replace(/[^a-zA-Z0-9._-]/g, '-')
    .slice(0, 128)
  return isTag(fitted) ? fitted : undefined
}
