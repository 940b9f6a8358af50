import type { FileRow } from '../../index/tables.ts'
import { naiveDateTime, parseRfc3339 } from '../../lib/clock.ts'
import { type Digest, hexOf } from '../../oci/digest.ts'
import { RegistryError } from '../../oci/errors.ts'
import { isSound } from '../../plugin/descriptor.ts'
import type { RemoteBlob } from '../../remote/contract.ts'
import { RemoteError } from '../../remote/error.ts'
import type { Parts } from '../parts.ts'
import type { Caller } from '../reads.ts'
import type { MemflowMirror } from './mirrors.ts'
import type { Source } from './source.ts'

/** What an upstream says of a binary, with a signature that verifies. */
export interface Vouched {
  readonly file: FileRow
  /** Nanoseconds since 1970. */
  readonly created: bigint
}

/**
 * A plugin binary of the memflow upstreams. The signature is over the digest, so it is verified before a byte comes.
 * All methods throw `RemoteError`, and `PLUGIN_UNKNOWN` where no upstream has it.
 */
export class PluginSource implements Source {
  readonly #parts: Parts
  readonly #digest: Digest
  readonly #caller: Caller | undefined
  #chosen: { readonly mirror: MemflowMirror; readonly vouched: Vouched } | undefined

  /** `caller`: whose request this is. */
  constructor(parts: Parts, digest: Digest, caller?: Caller) {
    this.#parts = parts
    this.#digest = digest
    this.#caller = caller
  }

  get name(): string {
    return this.#chosen?.mirror.rules.name ?? ''
  }

  /** Of the upstream that the bytes come from. */
  get vouched(): Vouched | undefined {
    return this.#chosen?.vouched
  }

  metadata(): Promise<Vouched> {
    return this.#ask(async (_, vouched) => vouched)
  }

  /** In bytes; undefined where the upstream does not say. */
  stat(): Promise<number | undefined> {
    const hex = hexOf(this.#digest)
    if (this.#chosen) return this.#chosen.mirror.upstream.stat(hex)
    return this.#ask(({ upstream }) => upstream.stat(hex))
  }

  /** The bytes from `start` on. */
  async open(start: number): Promise<RemoteBlob> {
    const hex = hexOf(this.#digest)
    // What one upstream has begun, no other one goes on with.
    if (this.#chosen) return this.#chosen.mirror.upstream.file(hex, start)
    return this.#ask(async (mirror, vouched) => {
      const blob = await mirror.upstream.file(hex)
      this.#chosen = { mirror, vouched }
      return blob
    })
  }

  /** The answer of the first upstream that has the plugin. */
  async #ask<T>(question: (mirror: MemflowMirror, vouched: Vouched) => Promise<T>): Promise<T> {
    const { mirrors } = this.#parts
    const asked = await mirrors.ask(
      mirrors.memflow,
      hexOf(this.#digest),
      async mirror => question(mirror, await this.#vouched(mirror)),
      this.#caller,
    )
    if (asked) return asked.answer
    throw new RegistryError('PLUGIN_UNKNOWN', { detail: { digest: this.#digest } })
  }

  async #vouched({ rules: { name }, upstream, mirrored }: MemflowMirror): Promise<Vouched> {
    const digest = hexOf(this.#digest)
    const { created_at, descriptors, signature } = await upstream.metadata(digest)
    if (!descriptors.every(plugin => mirrored(plugin.name)))
      throw new RemoteError(name, 'unknown', `${name}: ${digest} has a plugin that is not mirrored`)
    if (!descriptors.every(isSound))
      throw refused(name, `${digest} has a plugin with texts that no plugin may have`)
    const verdict = this.#parts.verifier.verify(this.#digest, signature)
    if (!verdict?.key) {
      const reason = `the signature of ${digest} is of none of the public keys that are known for it`
      throw refused(name, reason)
    }
    const created = parseRfc3339(`${created_at}Z`) ?? 0n
    return {
      file: { digest, signature: verdict.signature, created_at: naiveDateTime(created), descriptors },
      created,
    }
  }
}

function refused(name: string, reason: string): RemoteError {
  return new RemoteError(name, 'wrong', `${name}: ${reason}`, { refused: true })
}
