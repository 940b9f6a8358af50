import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import type { ReadableStream } from 'node:stream/web'
import { type Config, ConfigError } from '../config.ts'
import { lines } from '../lib/lines.ts'

/** The process that serves a storage, and alone has its index, asked over HTTP. */
export class ServingProcess {
  readonly url: string
  readonly #storageRoot: string
  readonly #token: string

  private constructor(config: Config, token: string) {
    this.url = addressOf(config)
    this.#storageRoot = config.storageRoot
    this.#token = token
  }

  /** The one that these settings are of. Throws `ConfigError` where its token is not known. */
  static async of(config: Config): Promise<ServingProcess> {
    const { bearerToken, storageRoot } = config
    const kept = () =>
      readFile(join(storageRoot, 'bearer-token'), 'utf8').catch(cause => {
        const message = `MEMFLOW_BEARER_TOKEN: set the one of the registry that serves ${storageRoot}`
        throw new ConfigError(message, { cause })
      })
    return new ServingProcess(config, bearerToken ?? (await kept()).trim())
  }

  /** Throws `ConfigError` where it is not there, or has another token. */
  async ask(method: string, path: string): Promise<Response> {
    const headers = { authorization: `Bearer ${this.#token}` }
    const response = await fetch(this.url + path, { method, headers }).catch(cause => {
      throw new ConfigError(
        `MEMFLOW_ADDR: ${this.#storageRoot} is being served, but not at ${this.url}; set the address of that process, or stop it`,
        { cause },
      )
    })
    if (response.status !== 401) return response
    throw new ConfigError(`MEMFLOW_BEARER_TOKEN: it is not the token of the registry at ${this.url}`)
  }

  /** The answer's lines of JSON. Whether the last one came is for the caller to see, who throws `stopped()` if not. */
  async *lines<Line extends object>(method: string, path: string): AsyncGenerator<Line> {
    const response = await this.ask(method, path)
    if (!response.ok) throw new Error(await response.text())
    for await (const { text } of lines(Readable.fromWeb(response.body as ReadableStream))) {
      if (text === '') continue
      const line = JSON.parse(text) as Line | { error: string }
      if ('error' in line) throw new Error(line.error)
      yield line
    }
  }

  stopped(): Error {
    return new Error(`the registry at ${this.url} stopped before it was done`)
  }
}

/** Where a process with these settings is reached from this machine. */
function addressOf({ address: { host, port } }: Config): string {
  const reachable = host === '0.0.0.0' ? '127.0.0.1' : host === '::' ? '::1' : host
  return `http://${reachable.includes(':') ? `[${reachable}]` : reachable}:${port}`
}
