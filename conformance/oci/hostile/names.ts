import { EMPTY, image, OCI_MANIFEST } from '../content.ts'
import { type Hostile, shown } from './case.ts'

/** Names outside the grammar of "Pulling manifests", or written so that two readers see two names. */
const NAMES = [
  'UPPER',
  'a/B',
  '-a',
  'a-',
  '.a',
  'a.',
  'a..b',
  'a._b',
  'a___b',
  '_a',
  'a_',
  'a/-b',
  'a-/b',
  'a%20b',
  'a%00b',
  'a%00',
  'a%0ab',
  'a%0d%0aX-Injected:%201',
  'a%2Fb',
  'a%2fb',
  'a%252Fb',
  '%2e%2e',
  '%2e%2e%2fetc',
  '..%2f..%2f..%2fetc%2fpasswd',
  '..%5c..%5cetc',
  'a%2e%2eb',
  'a%5cb',
  'a\\b',
  '%C3%A9',
  '%c0%af',
  '%c0%ae%c0%ae',
  '%e0%80%af',
  '%ed%a0%80',
  '%ff',
  '%F0%9F%92%A9',
  '%',
  '%2',
  '%zz',
  '%u0041',
  'a:b',
  'a@b',
  'a*b',
  'a;b',
  'a~b',
  'a+b',
  'a,b',
  "a'b",
  'a"b',
  'a(b',
  'a{b',
  'a|b',
  'a`b',
  'a=b',
  'a&b',
  'a!b',
  'a$b',
  '<script>',
  '__proto__',
  'x'.repeat(256),
  'x'.repeat(5000),
  `${'a/'.repeat(200)}a`,
  `a${'-'.repeat(3000)}`,
  `${'a.'.repeat(3000)}`,
  `${'a__'.repeat(2000)}!`,
]

/** What a server or a proxy may rewrite before it looks at it. */
const REWRITTEN = ['a//b', 'a/./b', 'a/../b', '../a', '../../etc/passwd', './a', 'a/..', '/a', 'a/', '/', '']

const MANIFEST = image({ config: EMPTY.descriptor(), layers: [] })

export const HOSTILE_NAMES: Hostile[] = [
  ...NAMES.flatMap(name => requests(name, 'refused')),
  ...REWRITTEN.flatMap(name => requests(name, 'moved')),
]

function requests(name: string, verdict: 'refused' | 'moved'): Hostile[] {
  const title = (what: string) => `${what} in the repository ${JSON.stringify(shown(name))}`
  return [
    { title: title('GET tags'), verdict, method: 'GET', path: `/v2/${name}/tags/list` },
    {
      title: title('PUT manifest'),
      verdict,
      method: 'PUT',
      path: `/v2/${name}/manifests/v1`,
      headers: { 'Content-Type': OCI_MANIFEST },
      body: MANIFEST.bytes,
    },
    { title: title('POST upload'), verdict, method: 'POST', path: `/v2/${name}/blobs/uploads/` },
  ]
}
