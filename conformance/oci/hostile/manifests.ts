import { DOCKER_MANIFEST, EMPTY, OCI_INDEX, OCI_MANIFEST, randomWord } from '../content.ts'
import type { Hostile } from './case.ts'

const BLOB = JSON.stringify(EMPTY.descriptor())
const HEAD = `"schemaVersion":2,"mediaType":"${OCI_MANIFEST}"`
const DEEP = 100_000

/** An image in which one member is what the test says; the blobs it refers to are there. */
const image = (members: string) => `{${HEAD},"annotations":{"nonce":"${randomWord()}"},${members}}`
const whole = (extra: string) => image(`"config":${BLOB},"layers":[${BLOB}],${extra}`)
const layer = (members: string) => image(`"config":${BLOB},"layers":[{${members}}]`)
const own = `"mediaType":"application/x","digest":"${EMPTY.digest()}"`
const index = (manifests: string) => `{"schemaVersion":2,"mediaType":"${OCI_INDEX}","manifests":${manifests}}`
const nested = (open: string, close: string, depth = DEEP) => `${open.repeat(depth)}1${close.repeat(depth)}`

const NOT_JSON: Record<string, string | Uint8Array> = {
  nothing: '',
  'white space': ' \n ',
  'an open brace': '{',
  null: 'null',
  'an array': '[]',
  'a number': '1',
  'a string': '"manifest"',
  NaN: 'NaN',
  'a comma too much': image(`"config":${BLOB},"layers":[],`),
  'a comment': `/* x */${whole('"a":1')}`,
  'single quotes': whole('"a":1').replaceAll('"', "'"),
  'two documents': `${whole('"a":1')}${whole('"a":1')}`,
  'a document and a NUL': `${whole('"a":1')}\0`,
  'UTF-16': Buffer.from(whole('"a":1'), 'utf16le'),
  'bytes that are no UTF-8': Buffer.from(whole('"a":"\xff\xfe"'), 'latin1'),
  'overlong UTF-8': Buffer.from(whole('"a":"\xc0\xaf"'), 'latin1'),
  'a raw line feed in a string': whole('"a":"\n"'),
  XML: '<?xml version="1.0"?><!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]><a>&x;</a>',
  gzip: Buffer.from('1f8b0800000000000003abae050043bfa6a302000000', 'hex'),
  'random bytes': Buffer.from(Array.from({ length: 4000 }, (_, n) => (n * 7919) & 255)),
}

const DEEP_ONES: Record<string, string> = {
  'arrays, never closed': '['.repeat(DEEP),
  arrays: nested('[', ']'),
  objects: nested('{"a":', '}'),
  config: image(`"config":${nested('{"a":', '}')},"layers":[]`),
  layers: image(`"config":${BLOB},"layers":${nested('[', ']')}`),
  'an annotation': whole(`"annotations":${nested('{"a":', '}')}`),
  'a custom field of objects': whole(`"custom":${nested('{"a":', '}')}`),
  'a custom field of arrays': whole(`"custom":${nested('[', ']')}`),
  'a subject': whole(`"subject":${nested('{"subject":', '}')}`),
  'an index': index(nested('[', ']')),
}

const WRONG: Record<string, string> = {
  'mediaType twice': `{${HEAD},"mediaType":"${OCI_INDEX}","config":${BLOB},"layers":[],"manifests":[]}`,
  'mediaType twice, first another': `{"mediaType":"${OCI_INDEX}",${HEAD},"config":${BLOB},"layers":[]}`,
  'config twice': image(`"config":${BLOB},"config":${BLOB.replace('"size":2', '"size":3')},"layers":[]`),
  'layers twice': image(`"config":${BLOB},"layers":[${BLOB}],"layers":[]`),
  'a digest twice in a descriptor': layer(`${own},"size":2,"digest":"sha256:${'0'.repeat(64)}"`),
  'a member twice, once by escape': image(`"config":${BLOB},"layers":[${BLOB}],"l\\u0061yers":[]`),
  'all in __proto__': `{"__proto__":{${HEAD},"config":${BLOB},"layers":[]}}`,
  'config in __proto__': image(`"__proto__":{"config":${BLOB}},"layers":[]`),
  'layers in constructor.prototype': image(`"config":${BLOB},"constructor":{"prototype":{"layers":[]}}`),
  'a descriptor in __proto__': layer(`"__proto__":{${own},"size":2}`),
  'schemaVersion 1': image(`"config":${BLOB},"layers":[]`).replace(':2,', ':1,'),
  'schemaVersion 3': image(`"config":${BLOB},"layers":[]`).replace(':2,', ':3,'),
  'schemaVersion as text': image(`"config":${BLOB},"layers":[]`).replace(':2,', ':"2",'),
  'schemaVersion 1e400': image(`"config":${BLOB},"layers":[]`).replace(':2,', ':1e400,'),
  'no schemaVersion': image(`"config":${BLOB},"layers":[]`).replace('"schemaVersion":2,', ''),
  'nothing but a type': `{${HEAD}}`,
  'no config': image('"layers":[]'),
  'no layers': image(`"config":${BLOB}`),
  'config null': image('"config":null,"layers":[]'),
  'config a list': image(`"config":[${BLOB}],"layers":[]`),
  'config a text': image('"config":"sha256:abc","layers":[]'),
  'layers null': image(`"config":${BLOB},"layers":null`),
  'layers an object': image(`"config":${BLOB},"layers":${BLOB}`),
  'layers a text': image(`"config":${BLOB},"layers":"none"`),
  'a layer null': image(`"config":${BLOB},"layers":[null]`),
  'a layer a number': image(`"config":${BLOB},"layers":[1]`),
  'a layer a list': image(`"config":${BLOB},"layers":[[]]`),
  'a layer without digest': layer('"mediaType":"a/b","size":2'),
  'a layer without size': layer(own),
  'a layer without mediaType': layer(`"digest":"${EMPTY.digest()}","size":2`),
  'a digest that is a number': layer('"mediaType":"a/b","size":2,"digest":1'),
  'a digest that is empty': layer('"mediaType":"a/b","size":2,"digest":""'),
  'a digest without hex': layer('"mediaType":"a/b","size":2,"digest":"sha256:"'),
  'a digest of dots and slashes': layer(
    '"mediaType":"a/b","size":2,"digest":"sha256:../../../../etc/passwd"',
  ),
  'a digest in upper case': layer(`"mediaType":"a/b","size":2,"digest":"${EMPTY.digest().toUpperCase()}"`),
  'a digest with NUL': layer(`"mediaType":"a/b","size":2,"digest":"${EMPTY.digest()}\\u0000"`),
  'a size below zero': layer(`${own},"size":-2`),
  'a size with a fraction': layer(`${own},"size":2.5`),
  'a size as text': layer(`${own},"size":"2"`),
  'a size of null': layer(`${own},"size":null`),
  'a size of 1e400': layer(`${own},"size":1e400`),
  'a size of two to the 64th': layer(`${own},"size":18446744073709551616`),
  'a size of a thousand digits': layer(`${own},"size":${'9'.repeat(1000)}`),
  'a mediaType that is a number': layer(`"mediaType":1,"digest":"${EMPTY.digest()}","size":2`),
  'a mediaType with a line feed': layer(`"mediaType":"a/b\\nX: y","digest":"${EMPTY.digest()}","size":2`),
  'a subject that is a text': whole(`"subject":"${EMPTY.digest()}"`),
  'a subject that is a number': whole('"subject":1'),
  'a subject that is a list': whole(`"subject":[${BLOB}]`),
  'a subject that is empty': whole('"subject":{}'),
  'a subject without digest': whole('"subject":{"mediaType":"a/b","size":2}'),
  'a subject without size': whole(`"subject":{${own}}`),
  'a subject with a digest that is none': whole(
    '"subject":{"mediaType":"a/b","size":2,"digest":"sha256:abc"}',
  ),
  'a subject with a digest of dots and slashes': whole(
    '"subject":{"mediaType":"a/b","size":2,"digest":"../../etc/passwd"}',
  ),
  'a subject with a size that is a text': whole(`"subject":{${own},"size":"2"}`),
  'annotations as a list': whole('"annotations":["a"]').replace(/"annotations":\{[^}]*\},/, ''),
  'annotations as a text': whole('"annotations":"a"').replace(/"annotations":\{[^}]*\},/, ''),
  'an annotation that is a number': whole('"annotations":{"a":1}').replace(
    /"annotations":\{"nonce[^}]*\},/,
    '',
  ),
  'an annotation that is null': whole('"annotations":{"a":null}').replace(
    /"annotations":\{"nonce[^}]*\},/,
    '',
  ),
  'an artifactType that is a number': whole('"artifactType":1'),
  'an artifactType with a line feed': whole('"artifactType":"a/b\\r\\nX-Injected: 1"'),
  'a mediaType that nobody knows': whole('"a":1').replace(OCI_MANIFEST, 'application/json'),
  'a mediaType that is null': whole('"a":1').replace(`"${OCI_MANIFEST}"`, 'null'),
  'urls as a text': layer(`${own},"size":2,"urls":"https://example.org"`),
  'a platform that is a text': index(`[{${own},"size":2,"platform":"linux/amd64"}]`),
  'manifests null': index('null'),
  'manifests an object': index('{}'),
  'manifests with a number': index('[1]'),
  'manifests with null': index('[null]'),
  'Docker schema 1':
    '{"schemaVersion":1,"name":"a","tag":"b","architecture":"amd64","fsLayers":[],"history":[],"signatures":[]}',
}

/** Sound by the letter of the spec; taking them is right, falling over them is not. */
const ODD: Record<string, string> = {
  'a member __proto__ beside all others': whole('"__proto__":{"polluted":true}'),
  'members named like methods': whole('"constructor":1,"toString":2,"hasOwnProperty":3,"valueOf":null'),
  'a byte order mark': `\ufeff${whole('"a":1')}`,
  'a number of a thousand digits in a custom field': whole(`"custom":${'9'.repeat(1000)}`),
  '20,000 custom members': whole(Array.from({ length: 20_000 }, (_, n) => `"m${n}":${n}`).join(',')),
  '10,000 times the same layer': image(
    `"config":${BLOB},"layers":[${Array.from({ length: 10_000 }, () => BLOB).join(',')}]`,
  ),
  'a lone surrogate': whole('"custom":"\\ud800"'),
  'an annotation of 1 MiB': whole(`"custom":{"a":"${'x'.repeat(1024 * 1024)}"}`),
}

const TYPES = [
  'text/plain',
  'application/json',
  'application/octet-stream',
  'multipart/form-data; boundary=x',
  'garbage',
  '/',
  '*/*',
  'a/b/c',
  'x'.repeat(5000),
  'application/vnd.docker.distribution.manifest.v1+prettyjws',
  DOCKER_MANIFEST,
]

export const HOSTILE_MANIFESTS: Hostile[] = [
  ...table('a manifest that is', NOT_JSON, 'refused'),
  ...table(`a manifest ${DEEP} levels deep:`, DEEP_ONES, 'refused'),
  ...table('a manifest with', WRONG, 'refused'),
  ...table('a manifest with', ODD, 'harmless'),
  ...TYPES.map(
    (type): Hostile => ({
      title: `PUT of an OCI manifest as ${type.slice(0, 60)}`,
      verdict: 'refused',
      method: 'PUT',
      path: '/v2/{repo}/manifests/hostile',
      headers: { 'Content-Type': type },
      body: whole('"a":1'),
    }),
  ),
]

function table(
  what: string,
  bodies: Record<string, string | Uint8Array>,
  verdict: Hostile['verdict'],
): Hostile[] {
  return Object.entries(bodies).map(([which, body]) => ({
    title: `PUT of ${what} ${which}`,
    verdict,
    method: 'PUT',
    path: `/v2/{repo}/manifests/${verdict === 'refused' ? 'hostile' : 'odd'}`,
    headers: {
      'Content-Type':
        typeof body === 'string' && body.includes(`"${OCI_INDEX}","manifests"`) ? OCI_INDEX : OCI_MANIFEST,
    },
    body,
  }))
}
