import { createHash } from 'node:crypto'
import { ask } from './ask.ts'

/** A path, and what it is answered with: status, media type and a hash of the body. */
export type Served = Readonly<Record<string, string>>

/** Everything that can be asked for, found as a client would that is told nothing. */
export async function crawl(url: string): Promise<string[]> {
  const json = async (path: string) => (await ask(url, 'GET', path)).json as Record<string, unknown[]>
  const paths = ['/v2/_catalog', '/plugins']
  for (const repository of (await json('/v2/_catalog')).repositories as string[]) {
    const at = `/v2/${repository}`
    paths.push(`${at}/tags/list`)
    const references = ((await json(`${at}/tags/list`)).tags ?? []) as string[]
    for (let reference = references.shift(); reference; reference = references.shift()) {
      if (paths.includes(`${at}/manifests/${reference}`)) continue
      paths.push(`${at}/manifests/${reference}`)
      const { headers, json: manifest } = await ask(url, 'GET', `${at}/manifests/${reference}`)
      const digest = String(headers['docker-content-digest'])
      paths.push(`${at}/referrers/${digest}`)
      const { manifests: referrers = [] } = await json(`${at}/referrers/${digest}`)
      const { config, layers = [], manifests = [] } = manifest as Record<string, { digest: string }[]>
      for (const child of [{ digest }, ...manifests, ...(referrers as { digest: string }[])])
        references.push(child.digest)
      for (const blob of [config as unknown as { digest: string } | undefined, ...layers])
        if (blob) paths.push(`${at}/blobs/${blob.digest}`)
    }
  }
  for (const { name } of (await json('/plugins')).plugins as { name: string }[]) {
    paths.push(`/plugins/${name}?limit=50`)
    for (const { digest } of (await json(`/plugins/${name}?limit=50`)).plugins as { digest: string }[])
      paths.push(`/files/${digest}/metadata`, `/files/${digest}/analysis`, `/files/${digest}`)
  }
  return [...new Set(paths)]
}

/** What these paths are answered with now. */
export async function served(url: string, paths: readonly string[]): Promise<Served> {
  const answers: Record<string, string> = {}
  for (const path of paths) {
    const { status, headers, bytes } = await ask(url, 'GET', path)
    const hash = createHash('sha256').update(bytes).digest('hex').slice(0, 16)
    answers[path] = status < 400 ? `${status} ${headers['content-type']} ${hash}` : `${status} ${bytes}`
  }
  return answers
}
