import { digestOf } from '../content.ts'
import { type Hostile, shown } from './case.ts'

const COUNTS = [
  '-1',
  '-0',
  '+1',
  'abc',
  '1.5',
  '1e9',
  '0x10',
  '%00',
  '1%00',
  '%20',
  '1%202',
  'NaN',
  'Infinity',
  '',
  '%ff',
  '%c0%b1',
  '%d9%a1',
  '9'.repeat(400),
]
const LASTS = ['%00', '%ff', '%c0%ae', '..%2f', 'x'.repeat(6000), '%zz', '-a', '%0d%0aX-Injected:%201']

/** Unknown, doubled and overlong parameters; a server may ignore them. */
const ODD = [
  'n=1&n=2',
  'n=1;n=2',
  'n[]=1',
  'n[a]=1',
  '__proto__[n]=1',
  '__proto__=1&constructor=2',
  'last=a&last=b',
  '%',
  '%zz=%zz',
  '&&&&',
  '====',
  '?',
  Array.from({ length: 2000 }, (_, n) => `p${n}=1`).join('&'),
  'x'.repeat(7000),
]

export const HOSTILE_QUERIES: Hostile[] = [
  ...COUNTS.flatMap(n => [
    get(`tags with n=${n}`, `/v2/{repo}/tags/list?n=${n}`, n.length > 20 ? 'harmless' : 'refused'),
    get(`catalog with n=${n}`, `/v2/_catalog?n=${n}`, n.length > 20 ? 'harmless' : 'refused'),
  ]),
  get('tags with n=1000000000', '/v2/{repo}/tags/list?n=1000000000', 'harmless'),
  ...LASTS.flatMap(last => [
    get(`tags with last=${last}`, `/v2/{repo}/tags/list?last=${last}`, 'harmless'),
    get(`catalog with last=${last}`, `/v2/_catalog?n=5&last=${last}`, 'harmless'),
    get(
      `referrers with artifactType=${last}`,
      `/v2/{repo}/referrers/${digestOf('x')}?artifactType=${last}`,
      'harmless',
    ),
  ]),
  ...ODD.map(query => get(`tags with the query ${query}`, `/v2/{repo}/tags/list?${query}`, 'harmless')),
  ...ODD.map(query => get(`blob with the query ${query}`, `/v2/{repo}/blobs/{blob}?${query}`, 'harmless')),
]

function get(title: string, path: string, verdict: Hostile['verdict']): Hostile {
  return { title: `GET ${shown(title)}`, verdict, method: 'GET', path }
}
