import { expect } from 'chai'
import { ConfigError, loadConfig } from '../src/config.ts'

describe('config', () => {
  function refusal(env: Record<string, string>): string {
    try {
      loadConfig(env)
    } catch (error) {
      expect(error).to.be.instanceOf(ConfigError)
      return (error as Error).message
    }
    return 'nothing: it was taken'
  }

  it('nothing set -> the defaults', () => {
    expect(loadConfig({})).to.include({
      storageRoot: '.storage',
      publicKeyFile: undefined,
      bearerToken: undefined,
      logLevel: 'info',
      publicUrl: undefined,
      requireSignature: false,
      maxPluginSize: 20 * 2 ** 20,
      maxBlobSize: 10 * 2 ** 30,
      uploadTtl: 24 * 3_600_000,
      minFreeSpace: 100 * 2 ** 20,
      cacheSize: 32 * 2 ** 20,
      verifyEvery: 7 * 86_400_000,
      gcEvery: 3_600_000,
      gcGrace: 24 * 3_600_000,
      mirrorMaxSize: Number.POSITIVE_INFINITY,
    })
    expect(loadConfig({}).address).to.deep.equal({ host: '127.0.0.1', port: 3000 })
    expect(loadConfig({})).to.be.frozen
  })

  it('set to nothing -> as if not set', () => {
    const names = [
      'ADDR',
      'STORAGE_ROOT',
      'PUBLIC_KEY_FILE',
      'BEARER_TOKEN',
      'LOG',
      'PUBLIC_URL',
      'MAX_BLOB_SIZE',
    ]
    const env = Object.fromEntries(names.flatMap(name => [[`MEMFLOW_${name}`, ' ']]))
    expect(loadConfig(env)).to.deep.equal(loadConfig({}))
  })

  for (const [text, host, port] of [
    ['127.0.0.1:8080', '127.0.0.1', 8080],
    ['0.0.0.0:0', '0.0.0.0', 0],
    [':3000', '0.0.0.0', 3000],
    ['localhost:65535', 'localhost', 65_535],
    ['[::]:3000', '::', 3000],
    ['[::1]:80', '::1', 80],
    [' 127.0.0.1:1 ', '127.0.0.1', 1],
  ] as const) {
    it(`MEMFLOW_ADDR=${text} -> ${host}, ${port}`, () => {
      expect(loadConfig({ MEMFLOW_ADDR: text }).address).to.deep.equal({ host, port })
    })
  }

  for (const text of [
    '3000',
    '127.0.0.1',
    'a:b',
    '127.0.0.1:65536',
    '::1:3000',
    'http://a:1',
    'a:1:2',
    'a_b:1',
  ]) {
    it(`MEMFLOW_ADDR=${text} -> is refused`, () => {
      expect(refusal({ MEMFLOW_ADDR: text })).to.equal(
        `MEMFLOW_ADDR: "${text}" is not an address such as 127.0.0.1:3000 or [::]:3000`,
      )
    })
  }

  for (const [text, bytes] of [
    ['1', 1],
    ['500B', 500],
    ['500KiB', 512_000],
    ['2 MiB', 2_097_152],
    ['1gib', 2 ** 30],
    ['1TiB', 2 ** 40],
  ] as const) {
    it(`MEMFLOW_MAX_PLUGIN_SIZE=${text} -> ${bytes} bytes`, () => {
      expect(loadConfig({ MEMFLOW_MAX_PLUGIN_SIZE: text }).maxPluginSize).to.equal(bytes)
    })
  }

  for (const text of ['0', '-1', '1.5MiB', 'x', '1MB', '10M', 'MiB', '999999999999TiB']) {
    it(`MEMFLOW_MAX_BLOB_SIZE=${text} -> is refused`, () => {
      expect(refusal({ MEMFLOW_MAX_BLOB_SIZE: text })).to.equal(
        `MEMFLOW_MAX_BLOB_SIZE: "${text}" is not a size such as 500KiB, 20MiB or 10GiB`,
      )
    })
  }

  for (const [text, ms] of [
    ['30s', 30_000],
    ['30m', 1_800_000],
    ['2h', 7_200_000],
    ['7d', 604_800_000],
  ] as const) {
    it(`MEMFLOW_UPLOAD_TTL=${text} -> ${ms} ms`, () => {
      expect(loadConfig({ MEMFLOW_UPLOAD_TTL: text }).uploadTtl).to.equal(ms)
    })
  }

  for (const text of ['0s', '30', 'h', '1w', '-1h']) {
    it(`MEMFLOW_UPLOAD_TTL=${text} -> is refused`, () => {
      expect(refusal({ MEMFLOW_UPLOAD_TTL: text })).to.match(
        /^MEMFLOW_UPLOAD_TTL: ".*" is not a duration such as/,
      )
    })
  }

  it('a switch -> true, 1, yes or false, 0, no in any case, else it is refused', () => {
    for (const text of ['true', '1', 'yes', 'TRUE', 'Yes']) {
      const env = { MEMFLOW_REQUIRE_SIGNATURE: text, MEMFLOW_PUBLIC_KEY_FILE: 'key.pem' }
      expect(loadConfig(env).requireSignature, text).to.equal(true)
    }
    for (const text of ['false', '0', 'no', 'No']) {
      expect(loadConfig({ MEMFLOW_REQUIRE_SIGNATURE: text }).requireSignature, text).to.equal(false)
    }
    for (const text of ['on', '2', 'constructor', '__proto__', 'toString']) {
      expect(refusal({ MEMFLOW_REQUIRE_SIGNATURE: text })).to.equal(
        `MEMFLOW_REQUIRE_SIGNATURE: "${text}" is not true or false`,
      )
    }
  })

  it('MEMFLOW_LOG, else RUST_LOG in the original’s form -> the level', () => {
    const level = (env: Record<string, string>) => loadConfig(env).logLevel
    expect(level({ MEMFLOW_LOG: 'warn' })).to.equal('warn')
    expect(level({ MEMFLOW_LOG: 'WARN', RUST_LOG: 'trace' })).to.equal('warn')
    expect(level({ RUST_LOG: 'debug' })).to.equal('debug')
    expect(level({ RUST_LOG: 'hyper=info,debug' })).to.equal('debug')
    expect(level({ MEMFLOW_LOG: 'off' })).to.equal('off')
    expect(refusal({ MEMFLOW_LOG: 'loud' })).to.match(/^MEMFLOW_LOG: "loud" is not one of trace, debug/)
    expect(refusal({ RUST_LOG: 'loud' })).to.match(/^RUST_LOG: "loud" is not one of/)
  })

  it('RUST_LOG with modules -> what it says of ours, else info', () => {
    expect(loadConfig({ RUST_LOG: 'warn, memflow_registry=debug' }).logLevel).to.equal('debug')
    expect(loadConfig({ RUST_LOG: 'hyper=debug' }).logLevel).to.equal('info')
  })

  it('MEMFLOW_PUBLIC_URL -> without the slash at its end, or refused', () => {
    const url = (text: string) => loadConfig({ MEMFLOW_PUBLIC_URL: text }).publicUrl
    expect(url('https://a.example/')).to.equal('https://a.example')
    expect(url('http://a.example:8080/x//')).to.equal('http://a.example:8080/x')
    for (const text of [
      'a.example',
      'ftp://a',
      'https://a/?x=1',
      'javascript:1',
      'https://a/#x',
      'https://u:p@a/',
    ]) {
      expect(refusal({ MEMFLOW_PUBLIC_URL: text })).to.match(/^MEMFLOW_PUBLIC_URL: ".*" is not a URL such as/)
    }
  })

  it('MEMFLOW_MIN_FREE_SPACE -> a size, or 0 for none', () => {
    expect(loadConfig({ MEMFLOW_MIN_FREE_SPACE: '1GiB' }).minFreeSpace).to.equal(2 ** 30)
    expect(loadConfig({ MEMFLOW_MIN_FREE_SPACE: '0' }).minFreeSpace).to.equal(0)
    expect(refusal({ MEMFLOW_MIN_FREE_SPACE: '-1' })).to.equal(
      'MEMFLOW_MIN_FREE_SPACE: "-1" is not a size such as 500KiB, 20MiB or 10GiB, or 0',
    )
  })

  it('MEMFLOW_GC_EVERY and MEMFLOW_GC_GRACE -> a duration; the first also off', () => {
    const { gcEvery, gcGrace } = loadConfig({ MEMFLOW_GC_EVERY: '1s', MEMFLOW_GC_GRACE: '2s' })
    expect([gcEvery, gcGrace]).to.deep.equal([1000, 2000])
    expect(loadConfig({ MEMFLOW_GC_EVERY: 'off' }).gcEvery).to.equal(Number.POSITIVE_INFINITY)
    expect(refusal({ MEMFLOW_GC_EVERY: 'never' })).to.equal(
      'MEMFLOW_GC_EVERY: "never" is not a duration such as 30m, 24h or 7d, or off',
    )
    expect(refusal({ MEMFLOW_GC_GRACE: 'off' })).to.match(/^MEMFLOW_GC_GRACE: "off" is not a duration/)
  })

  it('MEMFLOW_MIRROR_MAX_SIZE -> a size, or unlimited', () => {
    expect(loadConfig({ MEMFLOW_MIRROR_MAX_SIZE: '50GiB' }).mirrorMaxSize).to.equal(50 * 2 ** 30)
    expect(loadConfig({ MEMFLOW_MIRROR_MAX_SIZE: 'unlimited' }).mirrorMaxSize).to.equal(
      Number.POSITIVE_INFINITY,
    )
    expect(refusal({ MEMFLOW_MIRROR_MAX_SIZE: '0' })).to.equal(
      'MEMFLOW_MIRROR_MAX_SIZE: "0" is not a size such as 500KiB, 20MiB or 10GiB, or unlimited',
    )
  })

  it('MEMFLOW_VERIFY_EVERY -> a duration, or never', () => {
    expect(loadConfig({ MEMFLOW_VERIFY_EVERY: '12h' }).verifyEvery).to.equal(43_200_000)
    expect(loadConfig({ MEMFLOW_VERIFY_EVERY: 'never' }).verifyEvery).to.equal(Number.POSITIVE_INFINITY)
    expect(refusal({ MEMFLOW_VERIFY_EVERY: '0' })).to.equal(
      'MEMFLOW_VERIFY_EVERY: "0" is not a duration such as 30m, 24h or 7d, or never',
    )
  })

  it('the sample token -> on loopback only', () => {
    for (const host of ['127.0.0.1', '127.1.2.3', 'localhost', '[::1]']) {
      const config = loadConfig({ MEMFLOW_ADDR: `${host}:3000`, MEMFLOW_BEARER_TOKEN: 'token' })
      expect(config.bearerToken).to.equal('token')
    }
    for (const host of ['0.0.0.0', '', '[::]', '192.168.0.1', 'registry.example.org', '127.example.org']) {
      const message = refusal({ MEMFLOW_ADDR: `${host}:3000`, MEMFLOW_BEARER_TOKEN: 'token' })
      expect(message, host).to.match(/^MEMFLOW_BEARER_TOKEN: "token" is the sample[^\n]+openssl rand -hex 32/)
    }
    expect(loadConfig({ MEMFLOW_ADDR: ':3000', MEMFLOW_BEARER_TOKEN: 'tokens' }).bearerToken).to.equal(
      'tokens',
    )
  })

  it('a name that is no setting is refused with the nearest one', () => {
    expect(refusal({ MEMFLOW_PUBLIC_KEYS_FILE: 'x' })).to.equal(
      'MEMFLOW_PUBLIC_KEYS_FILE: there is no such setting; did you mean MEMFLOW_PUBLIC_KEY_FILE?',
    )
    expect(refusal({ MEMFLOW_XYZ_UNLIKE_ANY_OTHER: '' })).to.equal(
      'MEMFLOW_XYZ_UNLIKE_ANY_OTHER: there is no such setting; .env.example lists them',
    )
    expect(loadConfig({ PATH: '/bin', MEMFLOWUP: 'x' })).to.deep.equal(loadConfig({}))
  })

  it('required signatures without a key to verify them are refused', () => {
    expect(refusal({ MEMFLOW_REQUIRE_SIGNATURE: 'true' })).to.match(
      /^MEMFLOW_REQUIRE_SIGNATURE: without keys .+ MEMFLOW_PUBLIC_KEY_FILE/,
    )
  })

  it('a token that no Authorization header can carry is refused and not shown', () => {
    for (const token of ['two words', 'umlaut-ü', 'a"b', '=a', 'a=b']) {
      const message = refusal({ MEMFLOW_BEARER_TOKEN: token })
      expect(message, token).to.match(/^MEMFLOW_BEARER_TOKEN: its value is not a token that clients can send/)
      expect(message).not.to.include(token)
    }
    for (const token of ['0123abcdef', 'A.b_c~d+e/f-g==']) {
      expect(loadConfig({ MEMFLOW_BEARER_TOKEN: token }).bearerToken).to.equal(token)
    }
  })

  it('every refusal is one line', () => {
    for (const [name, text] of [
      ['MEMFLOW_ADDR', 'a\nb'],
      ['MEMFLOW_LOG', 'a\r\nb'],
      ['MEMFLOW_UPLOAD_TTL', 'x'.repeat(10_000)],
    ] as const) {
      expect(refusal({ [name]: text })).not.to.match(/[\r\n]/)
    }
  })
})
