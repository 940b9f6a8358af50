import type { Digest } from '../oci/digest.ts'
import { RegistryError } from '../oci/errors.ts'
import type { Parts } from './parts.ts'

/** What the signature policy makes of a plugin. */
export interface Standing {
  /** In the form that is stored and served; empty where there is none. */
  readonly signature: string
  /** Fingerprint of the key that vouches for it. */
  readonly key?: string
  /** Whether the REST API and the composed tags show it. */
  readonly listed: boolean
}

/** What becomes of a plugin whose signature is wrong, or missing and required: refused, or kept and not listed. */
export type Unfit = 'refuse' | 'keep'

/**
 * Judges the signature that came with a plugin binary.
 * Throws `SIGNATURE_INVALID` where it is wrong, or missing and required. Without keys nothing can be verified:
 * all is listed, and has no key to vouch for it.
 */
export function judge(
  { verifier, policy }: Parts,
  binary: Digest,
  signature: string | undefined,
  unfit: Unfit = 'refuse',
): Standing {
  if (signature === undefined) {
    if (verifier.configured && policy.requireSignature && unfit === 'refuse') {
      throw new RegistryError('SIGNATURE_INVALID', {
        message:
          'Signature error: file signature is required; sign the binary and add it as io.memflow.plugin.signature',
        detail: { binary },
      })
    }
    return { signature: '', listed: !verifier.configured }
  }
  const verdict = verifier.verify(binary, signature)
  if (!verdict && unfit === 'keep') return { signature: '', listed: false }
  if (!verdict) throw new RegistryError('SIGNATURE_INVALID', { detail: { binary } })
  return { signature: verdict.signature, listed: true, ...(verdict.key && { key: verdict.key.fingerprint }) }
}
