import { upload } from '../../spec/support/form.ts'
import { PLUGIN_FILES, type PluginFile, plugin } from '../../spec/support/plugins.ts'
import { digestOf, hexOf } from '../../src/oci/digest.ts'
import { Client } from './client.ts'
import { ORIGINAL, OURS, type Peer } from './peers.ts'
import { reading, type Work } from './work.ts'

const BY = [OURS, ORIGINAL]
const LARGE = 1_700_000

/** DER of r = 1 and s = 1: where no key is known, nobody looks further. */
export const SIGNATURE = '3006020101020101'

/** Those that the original takes, too. */
const FILES = PLUGIN_FILES.filter(file => /memflow_(?:coredump|facts|pair)-?(?!.*universal)/.test(file))
const LARGE_FILE = Buffer.concat([
  fileOf('libmemflow_coredump-0.2.0.x86_64.so'),
  Buffer.alloc(LARGE, 'padding '),
])

/** memflow's REST API, beside the registry that had it first. */
export const REST_WORKS: readonly Work[] = [
  listing('GET /plugins', '/plugins', body => body.plugins.length === 4),
  listing('GET /plugins/{name}', '/plugins/coredump', body => body.plugins.length === 5),
  listing(
    'GET /plugins/{name} as memflowup asks',
    '/plugins/coredump?version=0.2.1&limit=1&file_type=elf&architecture=x86_64',
    body => body.plugins.length === 1,
  ),
  reading({
    title: 'GET /files/{digest}, 1.7 MB',
    unit: 'MB/s',
    connections: 16,
    path: `/files/${hexOf(digestOf(LARGE_FILE))}`,
    isRight: body => body.equals(LARGE_FILE),
    by: BY,
    aims: [{ against: [ORIGINAL], least: 6 }],
  }),
]

/** Uploads the plugins, as memflowup does. */
export async function pushPlugins({ service, headers }: Peer): Promise<void> {
  const client = new Client(service.url, 1, headers)
  try {
    for (const bytes of [LARGE_FILE, ...FILES.map(fileOf)]) await publish(client, bytes)
  } finally {
    client.close()
  }
}

/** POST /files. */
export async function publish(client: Client, file: Buffer): Promise<void> {
  const { headers, body } = upload(file, SIGNATURE)
  await client.expect(200, 'POST', '/files', headers, [body])
}

function fileOf(name: PluginFile): Buffer {
  return Buffer.from(plugin(name).bytes)
}

function listing(title: string, path: string, isRight: (body: { plugins: unknown[] }) => boolean): Work {
  return reading({
    title,
    connections: 16,
    path,
    isRight: body => isRight(JSON.parse(body.toString())),
    by: BY,
    aims: [{ against: [ORIGINAL], least: 0.5 }],
  })
}
