import { createHash } from 'node:crypto'
import { mkdir } from 'node:fs/promises'
import { expect } from 'chai'
import { keysOf, loadKeys } from '../../src/signature/keys.ts'
import { OpenSSL } from './openssl.ts'

describe('signature/keys', () => {
  let openssl: OpenSSL
  let one: string
  let two: string

  before(async () => {
    openssl = await OpenSSL.open()
    one = await openssl.keyPair('one')
    two = await openssl.keyPair('two')
  })

  after(() => openssl.close())

  const fingerprints = async (...names: string[]) =>
    (await loadKeys(names.map(name => openssl.path(name)).join(','))).map(key => key.fingerprint)

  /** The message of the error, which must be one line. */
  const refusal = async (setting: string) => {
    const message = await loadKeys(setting).then(
      () => 'no error',
      (error: Error) => error.message,
    )
    expect(message).to.not.include('\n')
    return message
  }

  it('reads a PEM file: point, source, and the fingerprint that openssl gives', async () => {
    const [key] = await loadKeys(openssl.path('one.pem'))
    await openssl.run('ec', '-pubin', '-in', 'one.pem', '-outform', 'DER', '-out', 'one.der')
    const listing = await openssl.run('dgst', '-sha256', '-r', 'one.der')
    expect(key?.fingerprint).to.equal(listing.slice(0, 64))
    expect(key?.source).to.equal(openssl.path('one.pem'))
    const text = await openssl.run('ec', '-pubin', '-in', 'one.pem', '-noout', '-text')
    const point = /pub:([\s0-9a-f:]+)ASN1/.exec(text)?.[1]?.replace(/[\s:]/g, '')
    expect(Buffer.from(key?.point ?? []).toString('hex')).to.equal(point)
  })

  it('reads several blocks, with CRLF, a BOM and words around them', () => {
    const pem = `\ufeffkeys of the project\r\n${one.replaceAll('\n', '\r\n')}and the old one:\n${two}`
    expect(keysOf(pem, 'both').map(key => key.source)).to.deep.equal(['both', 'both'])
    expect(keysOf(pem, 'x')).to.deep.equal([...keysOf(one, 'x'), ...keysOf(two, 'x')])
  })

  it('reads a list of files in its order, each key once', async () => {
    await openssl.write('both.pem', one + two)
    const [a, b] = await fingerprints('both.pem')
    expect(await fingerprints('two.pem', 'both.pem', 'one.pem')).to.deep.equal([b, a])
    expect(await loadKeys(` ${openssl.path('one.pem')} , ${openssl.path('two.pem')} `)).to.have.length(2)
  })

  it('reads the .pem files of a folder in order of name', async () => {
    await mkdir(openssl.path('folder'))
    await openssl.write('folder/2.pem', one)
    await openssl.write('folder/1.pem', two)
    await openssl.write('folder/README', 'not a key')
    const keys = await loadKeys(openssl.path('folder'))
    expect(keys.map(key => key.source)).to.deep.equal(
      ['1.pem', '2.pem'].map(n => openssl.path(`folder/${n}`)),
    )
  })

  it('knows a key with a compressed point as the same key', async () => {
    await openssl.run('ec', '-pubin', '-in', 'one.pem', '-conv_form', 'compressed', '-out', 'short.pem')
    expect(await openssl.read('short.pem')).to.have.length.below(one.length)
    expect(keysOf(await openssl.read('short.pem'), 'x')).to.deep.equal(keysOf(one, 'x'))
    expect(await fingerprints('one.pem', 'short.pem')).to.have.length(1)
  })

  it('takes no setting for no keys', async () => {
    expect(await loadKeys('')).to.deep.equal([])
  })

  describe('refuses, naming the file and the fix:', () => {
    const derive = 'openssl pkey -in private.pem -pubout -out public.pem'

    it('a private key, however it is written', async () => {
      await openssl.run('pkcs8', '-topk8', '-nocrypt', '-in', 'one.key', '-out', 'pkcs8.key')
      await openssl.run('ec', '-in', 'one.key', '-aes128', '-passout', 'pass:x', '-out', 'locked.key')
      await openssl.run('ecparam', '-name', 'secp256k1', '-genkey', '-out', 'parameters.key')
      for (const name of ['one.key', 'pkcs8.key', 'locked.key', 'parameters.key']) {
        const path = openssl.path(name)
        expect(await refusal(path)).to.equal(
          `${path} holds a private key where the public key is needed: ` +
            `write it with openssl pkey -in ${path} -pubout -out public.pem`,
        )
      }
    })

    it('a private key beside a public one', async () => {
      const path = await openssl.write('pair.pem', one + (await openssl.read('one.key')))
      expect(await refusal(path)).to.match(/pair\.pem holds a private key/)
    })

    it('the command that it names works', async () => {
      await openssl.run('pkey', '-in', 'one.key', '-pubout', '-out', 'public.pem')
      expect(await openssl.read('public.pem')).to.equal(one)
    })

    for (const curve of ['prime256v1', 'secp384r1']) {
      it(`a key of the curve ${curve}`, async () => {
        await openssl.keyPair(curve, curve)
        expect(await refusal(openssl.path(`${curve}.pem`))).to.match(
          new RegExp(
            `${curve}\\.pem holds a public key of type ${curve} where the curve secp256k1 is required`,
          ),
        )
      })
    }

    it('a key that is not on a named curve', async () => {
      await openssl.run('genpkey', '-algorithm', 'ed25519', '-out', 'ed.key')
      await openssl.run('pkey', '-in', 'ed.key', '-pubout', '-out', 'ed.pem')
      expect(await refusal(openssl.path('ed.pem'))).to.match(/of type ed25519 where the curve secp256k1 is/)
    })

    it('a key whose point is not on the curve', async () => {
      const spki = Buffer.from(one.replace(/-.*-/g, ''), 'base64')
      spki[spki.length - 1] = (spki.at(-1) ?? 0) ^ 1
      const pem = `-----BEGIN PUBLIC KEY-----\n${spki.toString('base64')}\n-----END PUBLIC KEY-----\n`
      expect(await refusal(await openssl.write('off.pem', pem))).to.match(
        /off\.pem has a ".*" that is no readable/,
      )
    })

    it('a file without PEM', async () => {
      for (const content of ['', 'garbage\n', createHash('sha256').digest()]) {
        const path = await openssl.write('garbage.pem', content)
        expect(await refusal(path)).to.equal(
          `${path} holds no -----BEGIN PUBLIC KEY----- block: write it with ${derive}`,
        )
      }
    })

    it('a block that is damaged, cut off or of another kind, even behind a good one', async () => {
      await openssl.run('req', '-x509', '-key', 'one.key', '-subj', '/CN=x', '-out', 'certificate.pem')
      const certificate = await openssl.read('certificate.pem')
      const cut = two.slice(0, two.indexOf('-----END'))
      const damaged = two.replace(/^M.*$/m, 'AAAA')
      for (const block of [certificate, cut, damaged]) {
        const message = await refusal(await openssl.write('odd.pem', one + block))
        expect(message).to.match(
          /odd\.pem has a "-----BEGIN (PUBLIC KEY|CERTIFICATE)-----" that is no readable public/,
        )
        expect(message).to.include(derive)
      }
    })

    it('a file that is not there', async () => {
      const path = openssl.path('missing.pem')
      expect(await refusal(`${openssl.path('one.pem')},${path}`)).to.equal(
        `${path} cannot be read (ENOENT): name a PEM file, a list or a folder`,
      )
    })

    it('a folder without .pem files', async () => {
      await mkdir(openssl.path('empty'))
      const path = openssl.path('empty')
      expect(await refusal(path)).to.equal(`${path} has no .pem file in it: put the public keys there`)
    })

    it('an empty name in a list: two unset variables must not mean no verification', async () => {
      expect(await refusal(',')).to.match(/empty name/)
      expect(await refusal(`${openssl.path('one.pem')},`)).to.match(/empty name/)
    })
  })
})
