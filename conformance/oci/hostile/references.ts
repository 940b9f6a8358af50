import { artifact, OCI_MANIFEST, randomWord } from '../content.ts'
import { type Hostile, shown } from './case.ts'

const HEX = 'ab'.repeat(32)

/** Neither tags nor digests. */
const REFERENCES = [
  '.a',
  '-a',
  'a%00',
  'a%00b',
  'a%2fb',
  'a%2Fb',
  'a%252fb',
  '%2e%2e',
  '..%2f..%2fetc%2fpasswd',
  'a%20b',
  '%20',
  'a%0d%0aX-Injected:%201',
  '%C3%A9',
  '%c0%ae%c0%ae',
  '%e0%80%ae',
  '%ff',
  '%',
  '%zz',
  'a+b',
  'a:b',
  'a@b',
  'a,b',
  'a~b',
  'a*',
  'a;b',
  'a"b',
  "a'b",
  '<script>',
  'a|b',
  'x'.repeat(129),
  'x'.repeat(5000),
  `a${'.'.repeat(4000)}%00`,
]

/** They begin like a digest. */
const DIGESTS = [
  'sha256:',
  'sha256:abc',
  `sha256:${HEX.slice(1)}`,
  `sha256:${HEX}0`,
  `sha256:${HEX.toUpperCase()}`,
  `SHA256:${HEX}`,
  `sha256:${'g'.repeat(64)}`,
  `sha256:${HEX}%00`,
  `sha256:${HEX}%0a`,
  `sha256:${HEX}:x`,
  `sha256: ${HEX.slice(1)}`.replace(' ', '%20'),
  `sha512:${HEX}`,
  `sha256:${HEX}${HEX}`,
  `md5:${HEX.slice(32)}`,
  `sha1:${HEX.slice(24)}`,
  `:${HEX}`,
  `sha256::${HEX}`,
  `sha256+b64:${HEX}`,
  'sha256:..%2f..%2f..%2fetc%2fpasswd',
  `sha256:${'../'.repeat(21)}x`.replaceAll('/', '%2f'),
  `__proto__:${HEX}`,
  `sha256:${'0'.repeat(100_000)}`.slice(0, 6000),
]

const CONTENT = artifact({ annotations: { nonce: randomWord() } })

export const HOSTILE_REFERENCES: Hostile[] = [...REFERENCES, ...DIGESTS].flatMap(reference => {
  const as = JSON.stringify(shown(reference))
  return [
    {
      title: `GET manifest ${as}`,
      verdict: 'refused',
      method: 'GET',
      path: `/v2/{repo}/manifests/${reference}`,
    },
    {
      title: `DELETE manifest ${as}`,
      verdict: 'refused',
      method: 'DELETE',
      path: `/v2/{repo}/manifests/${reference}`,
    },
    {
      title: `PUT manifest ${as}`,
      verdict: 'refused',
      method: 'PUT',
      path: `/v2/{repo}/manifests/${reference}`,
      headers: { 'Content-Type': OCI_MANIFEST },
      body: CONTENT.bytes,
    },
  ] satisfies Hostile[]
})

export const HOSTILE_DIGESTS: Hostile[] = [
  ...DIGESTS.flatMap(digest => {
    const as = JSON.stringify(shown(digest))
    return [
      { title: `GET blob ${as}`, verdict: 'refused', method: 'GET', path: `/v2/{repo}/blobs/${digest}` },
      { title: `HEAD blob ${as}`, verdict: 'refused', method: 'HEAD', path: `/v2/{repo}/blobs/${digest}` },
      {
        title: `DELETE blob ${as}`,
        verdict: 'refused',
        method: 'DELETE',
        path: `/v2/{repo}/blobs/${digest}`,
      },
      {
        title: `GET referrers ${as}`,
        verdict: 'refused',
        method: 'GET',
        path: `/v2/{repo}/referrers/${digest}`,
      },
      {
        title: `single POST ${as}`,
        verdict: 'refused',
        method: 'POST',
        path: `/v2/{repo}/blobs/uploads/?digest=${digest}`,
        body: 'x',
      },
      {
        title: `mount ${as}`,
        // distribution-spec, Mounting a blob: a mount that is not possible may become an upload.
        verdict: 'harmless',
        method: 'POST',
        path: `/v2/{repo}/blobs/uploads/?mount=${digest}`,
      },
      {
        title: `PUT upload ${as}`,
        verdict: 'refused',
        method: 'PUT',
        path: `{session}digest=${digest}`,
        body: 'x',
      },
      {
        title: `PUT manifest with tag parameter ${as}`,
        verdict: 'untagged',
        method: 'PUT',
        path: `/v2/{repo}/manifests/${CONTENT.digest()}?tag=${digest}`,
        headers: { 'Content-Type': OCI_MANIFEST },
        body: CONTENT.bytes,
      },
    ] satisfies Hostile[]
  }),
  ...['v1%00', '..', '.a', 'a%2fb', '', 'x'.repeat(129), '%ff'].map(
    (tag): Hostile => ({
      title: `PUT manifest with tag parameter ${JSON.stringify(shown(tag))}`,
      verdict: 'untagged',
      method: 'PUT',
      path: `/v2/{repo}/manifests/${CONTENT.digest()}?tag=${tag}`,
      headers: { 'Content-Type': OCI_MANIFEST },
      body: CONTENT.bytes,
    }),
  ),
]
