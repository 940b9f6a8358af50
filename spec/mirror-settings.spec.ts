import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect } from 'chai'
import { ConfigError, loadConfig } from '../src/config.ts'
import { loadMirrors } from '../src/mirror-settings.ts'
import { tmpDir } from './support/tmp.ts'

describe('mirror-settings', () => {
  const fresh = tmpDir()
  let folder: string

  before(async () => {
    folder = await fresh()
    await writeFile(join(folder, 'password'), 'from the file\n')
    await writeFile(join(folder, 'ca.pem'), 'a certificate')
  })

  const HUB = { name: 'hub', kind: 'oci', url: 'https://registry-1.docker.io/' }

  async function loaded(mirrors: readonly object[] | string, env: Record<string, string> = {}) {
    const file = join(folder, 'mirrors.json')
    await writeFile(file, typeof mirrors === 'string' ? mirrors : JSON.stringify({ mirrors }))
    return loadMirrors({ MEMFLOW_MIRRORS_FILE: file, ...env })
  }

  async function refusal(mirrors: readonly object[] | string, env?: Record<string, string>): Promise<string> {
    try {
      await loaded(mirrors, env)
    } catch (error) {
      return (error as Error).message.replace(join(folder, 'mirrors.json'), 'FILE')
    }
    return 'nothing: it was taken'
  }

  it('nothing set -> no mirrors', () => {
    expect(loadMirrors({})).to.deep.equal([])
  })

  it('MEMFLOW_MIRROR -> all of one OCI registry, with the defaults', () => {
    const [mirror, ...others] = loadMirrors({ MEMFLOW_MIRROR: 'https://registry.example/' })
    expect(others).to.deep.equal([])
    expect(mirror).to.deep.equal({
      name: 'registry.example',
      kind: 'oci',
      url: 'https://registry.example',
      namespace: undefined,
      hosts: ['registry.example'],
      prefix: undefined,
      username: undefined,
      password: undefined,
      passwordEnv: undefined,
      publicKeyFile: undefined,
      tagTtl: 300_000,
      negativeTtl: 30_000,
      connectTimeout: 5000,
      idleTimeout: 30_000,
      maxBlobSize: 10 * 2 ** 30,
      immutableTags: [],
      allow: ['**'],
      deny: [],
      trustedRealms: [],
      allowPrivateAddresses: false,
      ca: undefined,
    })
    expect(mirror).to.be.frozen
  })

  it('MEMFLOW_MIRROR -> the hosts that image names have for the registry, docker.io for Docker Hub', () => {
    const hosts = (url: string) => loadMirrors({ MEMFLOW_MIRROR: url })[0]?.hosts
    for (const url of ['https://registry-1.docker.io', 'https://index.docker.io/', 'https://DOCKER.io'])
      expect(hosts(url), url).to.include('docker.io')
    expect(hosts('http://localhost:5000')).to.deep.equal(['localhost:5000'])
    expect(hosts('https://docker.io.example')).to.deep.equal(['docker.io.example'])
  })

  it('MEMFLOW_UPSTREAM with its keys -> a memflow registry; without them it is refused', () => {
    const env = {
      MEMFLOW_UPSTREAM: 'https://registry.example',
      MEMFLOW_UPSTREAM_PUBLIC_KEY_FILE: '/keys/public.pem',
    }
    expect(loadMirrors(env)[0]).to.include({ kind: 'memflow', publicKeyFile: '/keys/public.pem' })
    for (const name of Object.keys(env)) {
      expect(() => loadMirrors({ ...env, [name]: undefined })).to.throw(
        'MEMFLOW_UPSTREAM, MEMFLOW_UPSTREAM_PUBLIC_KEY_FILE: set both',
      )
    }
  })

  it('one registry for both APIs -> two mirrors', () => {
    const url = 'https://registry.example'
    const keys = { MEMFLOW_UPSTREAM_PUBLIC_KEY_FILE: '/keys/public.pem' }
    const both = loadMirrors({ MEMFLOW_MIRROR: url, MEMFLOW_UPSTREAM: url, ...keys })
    expect(both.map(({ kind, name }) => `${kind} ${name}`)).to.deep.equal([
      'oci registry.example',
      'memflow registry.example',
    ])
  })

  it('a URL with credentials, or none at all -> is refused by name', () => {
    for (const name of ['MEMFLOW_MIRROR', 'MEMFLOW_UPSTREAM']) {
      for (const url of ['https://me:secret@registry.example', 'registry.example']) {
        expect(() =>
          loadMirrors({
            [name]: url,
            ...(name === 'MEMFLOW_UPSTREAM' && { MEMFLOW_UPSTREAM_PUBLIC_KEY_FILE: 'x' }),
          }),
        ).to.throw(new RegExp(`^${name}: "(?!.*secret).*" is not a URL such as`))
      }
    }
  })

  it('the file -> every field of it', async () => {
    const [mirror] = await loaded(
      [
        {
          ...HUB,
          namespace: 'docker.io',
          prefix: 'docker.io',
          username: 'me',
          passwordEnv: 'HUB_PASSWORD',
          tagTtl: '1h',
          immutableTags: ['^v?\\d+$'],
          negativeTtl: '1m',
          connectTimeout: '2s',
          idleTimeout: '10s',
          maxBlobSize: '1GiB',
          allow: ['library/*'],
          deny: ['library/x'],
          trustedRealms: ['https://auth.example'],
          allowPrivateAddresses: true,
          caFile: 'ca.pem',
        },
      ],
      { HUB_PASSWORD: 'secret' },
    )
    expect(mirror).to.deep.equal({
      name: 'hub',
      kind: 'oci',
      url: 'https://registry-1.docker.io',
      namespace: 'docker.io',
      hosts: ['docker.io', 'index.docker.io', 'registry-1.docker.io'],
      prefix: 'docker.io',
      username: 'me',
      password: 'secret',
      passwordEnv: 'HUB_PASSWORD',
      publicKeyFile: undefined,
      tagTtl: 3_600_000,
      negativeTtl: 60_000,
      connectTimeout: 2000,
      idleTimeout: 10_000,
      maxBlobSize: 2 ** 30,
      immutableTags: [/^v?\d+$/u],
      allow: ['library/*'],
      deny: ['library/x'],
      trustedRealms: ['https://auth.example'],
      allowPrivateAddresses: true,
      ca: 'a certificate',
    })
  })

  it('null -> as if it were left out', async () => {
    const fields = [
      'namespace',
      'prefix',
      'username',
      'password',
      'tagTtl',
      'allow',
      'caFile',
      'publicKeyFile',
    ]
    const [mirror] = await loaded([{ ...HUB, ...Object.fromEntries(fields.map(field => [field, null])) }])
    expect(mirror).to.deep.equal((await loaded([HUB]))[0])
  })

  it('a memflow registry -> with its keys, from beside the file', async () => {
    const memflow = { name: 'official', kind: 'memflow', url: 'https://registry.example' }
    const [mirror] = await loaded([{ ...memflow, publicKeyFile: 'keys/public.pem' }])
    expect(mirror?.publicKeyFile).to.equal(join(folder, 'keys/public.pem'))
    const some = { ...memflow, publicKeyFile: 'x', allow: ['core*'], deny: ['win32'] }
    expect((await loaded([some]))[0]).to.deep.include({ allow: ['core*'], deny: ['win32'] })
    expect(await refusal([{ ...some, prefix: 'x' }])).to.match(
      /prefix has no meaning for a mirror of kind memflow$/,
    )
    expect(await refusal([memflow])).to.match(
      /^MEMFLOW_MIRRORS_FILE: FILE: mirrors\[0\]: publicKeyFile is needed/,
    )
  })

  it('a password -> from the file itself, the environment or a file of its own', async () => {
    const password = async (way: object, env: Record<string, string> = {}) =>
      (await loaded([{ ...HUB, username: 'me', ...way }], env))[0]?.password
    expect(await password({ password: 'plain' })).to.equal('plain')
    expect(await password({ passwordEnv: 'P' }, { P: 'secret' })).to.equal('secret')
    expect(await password({ passwordFile: 'password' })).to.equal('from the file')
  })

  it('all of them -> the file’s first', async () => {
    const all = await loaded([{ ...HUB, prefix: 'hub' }], { MEMFLOW_MIRROR: 'https://registry.example' })
    expect(all.map(({ name }) => name)).to.deep.equal(['hub', 'registry.example'])
  })

  const IN_FILE = 'MEMFLOW_MIRRORS_FILE: FILE: '
  const TOGETHER = 'MEMFLOW_MIRRORS_FILE, MEMFLOW_MIRROR, MEMFLOW_UPSTREAM: '
  for (const [title, mirrors, message] of [
    ['no JSON', '{', /^MEMFLOW_MIRRORS_FILE: FILE: .*JSON/],
    ['another document', '[]', `${IN_FILE}the document must be object`],
    ['an unknown field of it', '{"mirrors":[],"x":1}', `${IN_FILE}the document has the unknown field x`],
    ['a field twice', '{"mirrors":[],"mirrors":[]}', /stands twice/],
    [
      'a field too few',
      [{ name: 'hub', kind: 'oci' }],
      `${IN_FILE}mirrors[0] must have required property 'url'`,
    ],
    ['an unknown field', [HUB, { ...HUB, ttl: '1h' }], `${IN_FILE}mirrors[1] has the unknown field ttl`],
    [
      'an unknown kind',
      [{ ...HUB, kind: 'docker' }],
      `${IN_FILE}mirrors[0].kind: "docker" is not one of oci, memflow`,
    ],
    ['a number for a duration', [{ ...HUB, tagTtl: 5 }], /mirrors\[0\]\.tagTtl: 5 is not a duration such as/],
    [
      'no duration',
      [{ ...HUB, tagTtl: '5 min' }],
      `${IN_FILE}mirrors[0].tagTtl: "5 min" is not a duration such as 30m, 24h or 7d`,
    ],
    ['no size', [{ ...HUB, maxBlobSize: '1GB' }], /mirrors\[0\]\.maxBlobSize: "1GB" is not a size such as/],
    [
      'no pattern',
      [{ ...HUB, immutableTags: ['v1', '('] }],
      /mirrors\[0\]\.immutableTags\[1\]: "\(" is not a reg/,
    ],
    ['no URL', [{ ...HUB, url: 'hub' }], /mirrors\[0\]\.url: "hub" is not a URL such as/],
    [
      'a prefix that is no name',
      [{ ...HUB, prefix: 'Hub/' }],
      /mirrors\[0\]\.prefix: "Hub\/" is not the first part/,
    ],
    [
      'no namespace',
      [{ ...HUB, namespace: 'a b' }],
      /mirrors\[0\]\.namespace: "a b" is not a registry’s host/,
    ],
    [
      'a realm that is no URL',
      [{ ...HUB, trustedRealms: ['auth'] }],
      /mirrors\[0\]\.trustedRealms\[0\]: "auth" is not a URL/,
    ],
    [
      'a field of the other kind',
      [{ ...HUB, publicKeyFile: 'x' }],
      `${IN_FILE}mirrors[0].publicKeyFile has no meaning for a mirror of kind oci`,
    ],
    [
      'a password alone',
      [{ ...HUB, password: 'x' }],
      `${IN_FILE}mirrors[0]: username and a password go together`,
    ],
    [
      'two passwords',
      [{ ...HUB, username: 'me', password: 'x', passwordEnv: 'X' }],
      `${IN_FILE}mirrors[0]: password and passwordEnv exclude each other`,
    ],
    [
      'a password that is not in the environment',
      [{ ...HUB, username: 'me', passwordEnv: 'NOT_SET' }],
      `${IN_FILE}mirrors[0]: passwordEnv: the environment has no NOT_SET`,
    ],
    ['a file that is not there', [{ ...HUB, caFile: 'none.pem' }], /mirrors\[0\]: caFile: ENOENT/],
    [
      'one name twice',
      [
        { ...HUB, prefix: 'a' },
        { ...HUB, prefix: 'b' },
      ],
      `${TOGETHER}two mirrors are named hub`,
    ],
    [
      'a prefix with two namespaces',
      [
        { ...HUB, namespace: 'a.example' },
        { ...HUB, name: 'two', namespace: 'b.example' },
      ],
      `${TOGETHER}hub and two have no prefix and need one namespace`,
    ],
    [
      'a namespace with two prefixes',
      [
        { ...HUB, namespace: 'a.example', prefix: 'a' },
        { ...HUB, name: 'two', namespace: 'a.example', prefix: 'b' },
      ],
      `${TOGETHER}hub and two have one namespace and need one prefix`,
    ],
  ] as const) {
    it(`${title} -> is refused, with the place and what is expected`, async () => {
      const text = await refusal(mirrors)
      if (typeof message === 'string') expect(text).to.equal(message)
      else expect(text).to.match(message)
    })
  }

  it('a file that cannot be read -> a wrong setting', () => {
    expect(() => loadConfig({ MEMFLOW_MIRRORS_FILE: join(folder, 'none.json') })).to.throw(
      ConfigError,
      /^MEMFLOW_MIRRORS_FILE: .*none\.json: ENOENT/,
    )
  })
})
