import {
  artifact,
  blob,
  type Content,
  config,
  DOCKER_CONFIG,
  DOCKER_LAYER,
  DOCKER_LIST,
  DOCKER_MANIFEST,
  EMPTY,
  image,
  index,
  manifest,
  OCI_MANIFEST,
  OCI_NONDISTRIBUTABLE,
  randomWord,
  unknownDigest,
} from './content.ts'
import type { Repository } from './repository.ts'

/** Every kind of manifest that a registry is asked to keep; each maker pushes what the manifest refers to. */
export const KINDS: Record<string, (repository: Repository) => Promise<Content>> = {
  'an image': async to => image(await parts(to, 1)),
  'an image with five layers': async to => image(await parts(to, 5)),
  'an image without layers': async to => image(await parts(to, 0)),
  'an image without a mediaType field': async to => {
    const { mediaType: _, ...rest } = JSON.parse(image(await parts(to, 1)).bytes.toString())
    return Object.assign(manifest(rest), { mediaType: OCI_MANIFEST })
  },
  'an image with white space and members in another order': async to => {
    const { config: own, layers } = await parts(to, 1)
    const value = { layers, config: own, mediaType: OCI_MANIFEST, schemaVersion: 2 }
    return Object.assign(manifest(value), {
      bytes: Buffer.from(`\n${JSON.stringify(value, null, '\t ')}\r\n  `),
    })
  },
  'an image with layers by sha512': async to => {
    const layer = await to.pushBlob(blob(), 'sha512')
    return image({ ...(await parts(to, 0)), layers: [layer.descriptor({}, 'sha512')] })
  },
  'an image with annotations in several scripts': async to =>
    image(await parts(to, 1), {
      annotations: { 'org.example.text': 'žluťoučký 統一碼 🚀 \u0000 </script>', '': '' },
    }),
  'an image with custom fields': async to =>
    image(await parts(to, 1), {
      'org.example.custom': { deep: [1, 2.5, null, { value: true }] },
      extra: 'text',
    }),
  'an image with data fields': async to =>
    image(await parts(to, 1), {
      layers: [EMPTY.descriptor({ data: EMPTY.bytes.toString('base64') })],
    }),
  'an image with non-distributable layers that were never pushed': async to => {
    const layer = blob(100, OCI_NONDISTRIBUTABLE).descriptor({ urls: ['https://layers.example.org/1'] })
    return image({ ...(await parts(to, 0)), layers: [layer] })
  },
  'an image with the same layer twice': async to => {
    const { config: own, layers } = await parts(to, 1)
    return image({ config: own, layers: [...layers, ...layers] })
  },
  'an artifact': async () => artifact(),
  'an artifact without layers': async () => artifact({ layers: [] }),
  'an artifact with a type of its own for config and layer': async to => {
    const own = await to.pushBlob(blob(20, 'application/vnd.example.config.v1+json'))
    const layer = await to.pushBlob(blob(300, 'text/x-anything'))
    return image({
      config: own.descriptor(),
      layers: [layer.descriptor({ annotations: { 'org.opencontainers.image.title': 'a b' } })],
    })
  },
  'an image with a subject': async to =>
    image(await parts(to, 1), { subject: (await to.pushImage()).descriptor() }),
  'an artifact with a subject that is missing': async () => artifact({ subject: missing() }),
  'an artifact with a subject that is an index': async to =>
    artifact({ subject: (await to.push(index([], { annotations: nonce() }))).descriptor() }),
  'an index of two images': async to =>
    index([
      (await to.pushImage()).descriptor({ platform: { os: 'linux', architecture: 'amd64' } }),
      (await to.pushImage()).descriptor({ platform: { os: 'linux', architecture: 'arm64', variant: 'v8' } }),
    ]),
  'an index of an index': async to => {
    const inner = await to.push(index([(await to.pushImage()).descriptor()]))
    return index([inner.descriptor(), (await to.pushImage()).descriptor()])
  },
  'an index without manifests': async () => index([], { annotations: nonce() }),
  'an index with an artifactType': async to =>
    index([(await to.push(artifact())).descriptor()], { artifactType: 'application/vnd.example.list' }),
  'an index with a subject': async to =>
    index([(await to.pushImage()).descriptor()], { subject: (await to.pushImage()).descriptor() }),
  'an index with a subject that is missing': async to =>
    index([(await to.pushImage()).descriptor()], { subject: missing() }),
  'an index with custom fields': async to =>
    index([(await to.pushImage()).descriptor({ custom: 'member' })], { 'org.example.custom': [null] }),
  'a Docker schema 2 manifest': async to => docker(to),
  'a Docker manifest list': async to => {
    const entry = (await to.push(await docker(to))).descriptor({
      platform: { os: 'linux', architecture: 'amd64' },
    })
    return manifest({ schemaVersion: 2, mediaType: DOCKER_LIST, manifests: [entry] })
  },
}

async function parts(to: Repository, layers: number) {
  const own = await to.pushBlob(config())
  const pushed: Content[] = []
  for (let n = 0; n < layers; n++) pushed.push(await to.pushBlob(blob()))
  return { config: own.descriptor(), layers: pushed.map(layer => layer.descriptor()) }
}

async function docker(to: Repository): Promise<Content> {
  const own = await to.pushBlob(config(DOCKER_CONFIG))
  const layer = await to.pushBlob(blob(300, DOCKER_LAYER))
  return manifest({
    schemaVersion: 2,
    mediaType: DOCKER_MANIFEST,
    config: own.descriptor(),
    layers: [layer.descriptor()],
  })
}

function missing() {
  return { mediaType: OCI_MANIFEST, digest: unknownDigest(), size: 500 }
}

function nonce() {
  return { 'org.example.nonce': randomWord() }
}
