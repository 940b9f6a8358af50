import type { MirrorRules } from '../../src/core/mirror/mirrors.ts'
import { loadMirrors, type MirrorSettings } from '../../src/mirror-settings.ts'
import type { FaultyUpstream } from './faulty-upstream.ts'
import { type PluginFile, plugin } from './plugins.ts'
import type { Signer } from './signer.ts'
import { PATIENT } from './upstream/asking.ts'

/** A mirror of the memflow registry there, whose plugins have that public key. */
export function memflowMirrorOf(
  url: string,
  publicKeyFile: string,
  more: Partial<MirrorSettings & MirrorRules> = {},
): MirrorSettings & MirrorRules {
  const [settings] = loadMirrors({ MEMFLOW_UPSTREAM: url, MEMFLOW_UPSTREAM_PUBLIC_KEY_FILE: publicKeyFile })
  if (!settings) throw new Error('one setting, one mirror')
  return { ...settings, name: 'up', ...PATIENT, patience: 100_000, ...more }
}

/** Puts a plugin's binary there, signed by somebody; answers its digest in hex. */
export function putPlugin(
  { content }: FaultyUpstream,
  file: PluginFile,
  signer: Pick<Signer, 'sign'>,
  more: { created_at?: string; signature?: string } = {},
): string {
  const { bytes, descriptors } = plugin(file)
  const digests = descriptors.map(descriptor =>
    content.plugin(
      { signature: signer.sign(bytes), created_at: '2024-03-22T18:14:53.402258600', descriptor, ...more },
      bytes,
    ),
  )
  return digests[0] ?? ''
}
