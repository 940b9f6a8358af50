import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect } from 'chai'
import { type Digest, digestOf, hexOf } from '../../src/oci/digest.ts'
import { OCI_INDEX, OCI_MANIFEST } from '../../src/oci/media-types.ts'
import { SIGNATURE_ANNOTATION } from '../../src/oci/plugin-artifact.ts'
import { Command, type Ended } from '../support/command.ts'
import { type FaultyUpstream, upstreams } from '../support/faulty-upstream.ts'
import { putPlugin } from '../support/memflow-mirror.ts'
import { putArtifact } from '../support/mirror.ts'
import { plugin } from '../support/plugins.ts'
import { crawl, served } from '../support/served.ts'
import { type RunningRegistry, startRegistry } from '../support/server.ts'
import { signer } from '../support/signer.ts'
import { storages } from '../support/storage.ts'
import { tmpDir } from '../support/tmp.ts'
import { until } from '../support/until.ts'
import { cut, status, trickle } from '../support/upstream/faults.ts'

const LINUX = 'libmemflow_coredump-0.2.0.x86_64.so'

describe('commands/mirror sync', () => {
  const fresh = tmpDir()
  const freshStorage = storages()
  const start = upstreams()
  const alice = signer()
  const binary = plugin(LINUX).bytes
  let upstream: FaultyUpstream
  let folder: string
  let storage: string

  beforeEach(async () => {
    upstream = await start()
    folder = await fresh()
    storage = await freshStorage()
    const mirrors = [
      { name: 'up', kind: 'oci', url: upstream.url, prefix: 'up', idleTimeout: '100s' },
      { name: 'official', kind: 'memflow', url: upstream.url, publicKeyFile: alice.pem },
    ]
    await writeFile(join(folder, 'mirrors.json'), JSON.stringify({ mirrors }))
  })

  const command = (args: readonly string[], env: Record<string, string> = {}, input?: string) =>
    new Command(
      args,
      folder,
      {
        MEMFLOW_STORAGE_ROOT: storage,
        MEMFLOW_MIRRORS_FILE: 'mirrors.json',
        MEMFLOW_PUBLIC_KEY_FILE: alice.pem,
        MEMFLOW_LOG: 'off',
        ...env,
      },
      input,
    )

  const sync = (...args: string[]): Promise<Ended> => command(['mirror', 'sync', ...args]).ended

  /** A storage served without any upstream. */
  const alone = async <T>(work: (registry: RunningRegistry) => Promise<T>, root = storage): Promise<T> => {
    const registry = await startRegistry({ storage: root, keys: alice.pem })
    try {
      return await work(registry)
    } finally {
      await registry.close()
    }
  }

  /** An image of two platforms under v1, with a signature on each level and one by a tag. */
  const putImages = () => {
    const images = ['amd64', 'arm64'].map(architecture => {
      const { manifest } = putArtifact(upstream, 'team/app', undefined, `for ${architecture}`)
      const size = upstream.content.manifestAt('team/app', manifest)?.bytes.length ?? 0
      return { mediaType: OCI_MANIFEST, digest: manifest, size, platform: { os: 'linux', architecture } }
    })
    const index = upstream.content.manifest(
      'team/app',
      { schemaVersion: 2, mediaType: OCI_INDEX, manifests: images },
      'v1',
    )
    const attach = (subject: Digest, tag?: string) =>
      putArtifact(upstream, 'team/app', tag, `signature of ${subject}`, {
        artifactType: 'a/signature',
        ...(tag === undefined && { subject: { mediaType: OCI_INDEX, digest: subject, size: 1 } }),
      }).manifest
    const signatures = [attach(index), attach(images[0]?.digest as Digest)]
    signatures.push(attach(index, `sha256-${hexOf(index)}.sig`))
    return { index, images: images.map(({ digest }) => digest), signatures }
  }

  it('a repository -> all tags, children, blobs and signatures are here, and nothing is fetched twice', async () => {
    const { index, images, signatures } = putImages()
    putArtifact(upstream, 'team/app', 'v2', 'another layer')
    const { code, stdout, stderr } = await sync('up', 'team/app')
    expect({ code, stderr }, stdout).to.deep.equal({ code: 0, stderr: '' })
    const lines = stdout.split('\n')
    const counts = /3 tags, 7 manifests, 6 blobs \(\d+ B\), of them 6 new \(\d+ B\)/
    expect(lines[0]).to.match(new RegExp(`^up/team/app: ${counts.source}$`))
    expect(lines[1]).to.match(new RegExp(`^in all: ${counts.source}, in \\d+\\.\\d s$`))
    expect(lines).to.have.length(3)
    const transfers = upstream.count('blob', 'GET')
    expect(transfers).to.equal(6)
    const again = await sync('up', 'team/app')
    expect(again.stdout).to.match(/6 blobs \(\d+ B\), of them 0 new \(0 B\)/)
    expect(upstream.count('blob', 'GET')).to.equal(transfers)
    expect(upstream.count('manifest', 'GET')).to.equal(7)
    await upstream.stop()
    await alone(async ({ ask }) => {
      for (const digest of [index, ...images, ...signatures])
        expect((await ask('GET', `/v2/up/team/app/manifests/${digest}`)).status).to.equal(200)
      for (const text of ['{}', 'for amd64', 'for arm64', 'another layer', `signature of ${index}`])
        expect((await ask('GET', `/v2/up/team/app/blobs/${digestOf(text)}`)).text).to.equal(text)
      const { manifests } = (await ask('GET', `/v2/up/team/app/referrers/${index}`)).json as { manifests: [] }
      expect(manifests).to.have.length(1)
    })
  })

  it('an index of blobs -> the blobs are here', async () => {
    const digest = upstream.content.blob('a layer of a build cache')
    const entry = { mediaType: 'application/vnd.oci.image.layer.v1.tar+gzip', digest, size: 24 }
    upstream.content.manifest(
      'team/cache',
      { schemaVersion: 2, mediaType: OCI_INDEX, manifests: [entry] },
      'v1',
    )
    const { code, stdout } = await sync('up', 'team/cache')
    expect({ code, stdout }).to.deep.include({ code: 0 })
    expect(stdout).to.match(/^up\/team\/cache: 1 tag, 1 manifest, 1 blob /)
  })

  it('beside a registry that serves the storage -> brings it there', async () => {
    putImages()
    const serving = command(['serve'], { MEMFLOW_ADDR: '127.0.0.1:0' })
    const { host } = new URL(await serving.url())
    const synced = await command(['mirror', 'sync', 'up', 'team/app'], { MEMFLOW_ADDR: host }).ended
    expect(synced.stdout).to.match(/of them 5 new/)
    expect(synced.code).to.equal(0)
    await serving.stop()
    await upstream.stop()
    await alone(async ({ ask }) => {
      expect((await ask('GET', '/v2/up/team/app/manifests/v1')).status).to.equal(200)
    })
  })

  it('beside a registry whose token is not known -> 2, and which setting is missing', async () => {
    const serving = command(['serve'], { MEMFLOW_ADDR: '127.0.0.1:0', MEMFLOW_BEARER_TOKEN: 'secret' })
    await serving.url()
    const { code, stderr } = await sync('up', 'team/app')
    expect(code).to.equal(2)
    expect(stderr).to.match(/MEMFLOW_BEARER_TOKEN: set the one of the registry that serves \S+\n$/)
    await serving.stop()
  })

  it('--tags -> those that fit, with what belongs to them', async () => {
    putImages()
    for (const tag of ['v1.1', 'v2.0', 'latest']) putArtifact(upstream, 'team/app', tag, `layer of ${tag}`)
    expect((await sync('up', 'team/app', '--tags', 'v1*', '--tags', 'latest')).code).to.equal(0)
    await alone(async ({ ask }) => {
      const { tags } = (await ask('GET', '/v2/up/team/app/tags/list')).json as { tags: string[] }
      expect(tags.map(tag => tag.replace(/^sha256-.*\./, '…')).sort()).to.deep.equal([
        'latest',
        'v1',
        'v1.1',
        '…sig',
      ])
    })
  })

  it('--all, patterns and standard input -> the upstream’s repositories that they mean', async () => {
    for (const name of ['team/a', 'team/b', 'other/c']) putArtifact(upstream, name, 'v1', `layer of ${name}`)
    const of = ({ stdout }: Ended) =>
      stdout
        .split('\n')
        .map(line => /^up\/(\S+):/.exec(line)?.[1])
        .filter(Boolean)
    expect(of(await sync('up', 'team/*'))).to.deep.equal(['team/a', 'team/b'])
    expect(of(await sync('up', 'other/c', '--all'))).to.deep.equal(['other/c', 'team/a', 'team/b'])
    const listed = command(['mirror', 'sync', 'up', '-'], {}, '# ours\nteam/b\n\nother/c # and theirs\n')
    expect(of(await listed.ended)).to.deep.equal(['team/b', 'other/c'])
  })

  it('what fails -> is told, the rest goes on, and the exit code is 1', async () => {
    const { layer } = putArtifact(upstream, 'team/app', 'v1', 'a layer')
    const { layer: lost } = putArtifact(upstream, 'team/app', 'v2', 'a lost layer')
    upstream.content.blobs.delete(lost)
    const { code, stdout } = await sync('up', 'team/none', 'team/app')
    expect(code).to.equal(1)
    expect(stdout.split('\n').slice(0, -2)).to.deep.equal([
      'not synced: up/team/none: repository name not known to registry',
      'up/team/none: 0 blobs (0 B), of them 0 new (0 B); 1 not synced',
      `not synced: up/team/app@${lost}: blob unknown to registry`,
      'up/team/app: 2 tags, 2 manifests, 2 blobs (9 B), of them 2 new (9 B); 1 not synced',
    ])
    await alone(async ({ ask }) => {
      expect((await ask('GET', `/v2/up/team/app/blobs/${layer}`)).text).to.equal('a layer')
    })
  })

  it('of an upstream that fails -> is told also where something is kept from before', async () => {
    putArtifact(upstream, 'team/app', 'v1', 'a layer')
    expect((await sync('up', 'team/app')).code).to.equal(0)
    upstream.fail('any', status(503))
    const { code, stdout } = await sync('up', 'team/app')
    expect(code).to.equal(1)
    expect(stdout).to.match(/^not synced: up\/team\/app: GET http:.*\/tags\/list: 503 /)
    const all = await sync('up', '--all')
    expect(all.code).to.equal(1)
    expect(all.stdout).to.match(/^not synced: GET http:.*\/v2\/_catalog.*: 503 .*\nin all: 0 blobs/)
  })

  it('stopped -> 130, and the next one goes on where it was', async () => {
    for (const tag of ['v1', 'v2', 'v3', 'v4', 'v5', 'v6'])
      putArtifact(upstream, 'team/app', tag, Buffer.alloc(200_000, tag))
    // Four seconds each: none of them is whole when the signal comes.
    upstream.fail('blob', trickle(50_000))
    const first = command(['mirror', 'sync', 'up', 'team/app'])
    await until(() => upstream.count('blob', 'GET') >= 6)
    const { code, stdout } = await first.stop('SIGINT')
    expect({ code }, stdout).to.deep.equal({ code: 130 })
    expect(stdout).to.match(/stopped; the same command goes on where it was\n$/)
    const before = Number(/(\d+) new/.exec(stdout)?.[1])
    expect(before).to.be.within(1, 6)
    upstream.heal()
    const second = await sync('up', 'team/app')
    expect(second.code).to.equal(0)
    const here = Number(/(\d+) new/.exec(second.stdout)?.[1])
    expect(here).to.be.at.most(7 - before)
  })

  it('a transfer that breaks off again and again -> is told, and nothing half is kept', async () => {
    const { layer } = putArtifact(upstream, 'team/app', 'v1', Buffer.alloc(100_000, 'x'))
    upstream.fail('blob', cut(1000, 'reset'))
    const { code, stdout } = await sync('up', 'team/app')
    expect(code).to.equal(1)
    expect(stdout).to.match(new RegExp(`not synced: up/team/app@${layer}: `))
    await alone(async ({ ask }) => {
      expect((await ask('GET', `/v2/up/team/app/blobs/${layer}`)).status).to.equal(404)
    })
  })

  it('a memflow registry -> all its plugins, on both APIs', async () => {
    const digest = putPlugin(upstream, LINUX, alice)
    putPlugin(upstream, 'memflow_coredump-0.2.0.x86_64.dll', alice)
    const { code, stdout } = await sync('official', '--all')
    expect({ code }, stdout).to.deep.equal({ code: 0 })
    expect(stdout).to.match(/^coredump: 2 blobs \(.*\), of them 2 new \(.*\)\nin all: /)
    const transfers = upstream.count('file', 'GET')
    expect((await sync('official', 'coredump')).stdout).to.match(/of them 0 new/)
    expect(upstream.count('file', 'GET')).to.equal(transfers)
    await upstream.stop()
    await alone(async ({ ask }) => {
      expect((await ask('GET', `/files/${digest}`)).bytes).to.deep.equal(Buffer.from(binary))
      expect((await ask('GET', '/v2/coredump/manifests/latest')).status).to.equal(200)
    })
  })

  it('a plugin that the upstream does not have, or whose signature is not good -> is told', async () => {
    putPlugin(upstream, LINUX, alice, { signature: alice.sign(Buffer.from('else')) })
    const { code, stdout } = await sync('official', 'coredump', 'nothing')
    expect(code).to.equal(1)
    expect(stdout).to.match(/^not synced: coredump [0-9a-f]{7}: .+\n/)
    expect(stdout).to.match(/not synced: nothing: the upstream has no plugin of that name\n/)
  })

  it('what cannot be meant -> 2, and what to do', async () => {
    const refusal = async (...args: string[]) => {
      const { code, stderr } = await sync(...args)
      expect(code).to.equal(2)
      return stderr
    }
    expect(await refusal('down', 'x')).to.match(/there is no mirror "down": there are up, official/)
    expect(await refusal('up')).to.match(/name what to sync, as the upstream calls it, or use --all/)
    expect(await refusal('up', 'No/Name')).to.match(/"No\/Name": a repository name is/)
    expect(await refusal('official', '--all', '--tags', 'x')).to.match(/--tags: plugins have no tags/)
  })

  it('then backup and restore -> another registry serves the same, without an upstream', async () => {
    putImages()
    const annotations = { [SIGNATURE_ANNOTATION]: alice.sign(binary) }
    putArtifact(upstream, 'plugins/coredump', 'v1', binary, { annotations })
    putPlugin(upstream, 'memflow_coredump-0.2.0.x86_64.dll', alice)
    expect((await sync('up', 'team/app', 'plugins/coredump')).code).to.equal(0)
    expect((await sync('official', '--all')).code).to.equal(0)
    await upstream.stop()
    expect((await command(['backup', 'air-gap.tar']).ended).code).to.equal(0)
    const elsewhere = join(folder, 'elsewhere')
    const restored = await command(['restore', 'air-gap.tar'], { MEMFLOW_STORAGE_ROOT: elsewhere }).ended
    expect({ code: restored.code, stderr: restored.stderr }).to.deep.equal({ code: 0, stderr: '' })
    const [paths, here] = await alone(async ({ url }) => {
      const paths = await crawl(url)
      return [paths, await served(url, paths)] as const
    })
    expect(paths).to.include(`/v2/up/team/app/manifests/v1`)
    expect(paths).to.include(`/files/${hexOf(digestOf(binary))}`)
    expect(await alone(({ url }) => served(url, paths), elsewhere)).to.deep.equal(here)
    expect(Object.values(here).filter(answer => !answer.startsWith('200'))).to.deep.equal([])
  })
})
