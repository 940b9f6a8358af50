// What a blob that is synced costs at least: takes pushes, writes each into a file of its own in this folder, syncs that
// once, and answers. No digest, no name, no index.
//
//   tsx conformance/bench/bare-disk.ts PORT
import { open } from 'node:fs/promises'
import { createServer, type IncomingMessage } from 'node:http'

let count = 0

const server = createServer(async (req, res) => {
  if (req.method === 'PUT') await write(req)
  res.writeHead(req.method === 'PUT' ? 201 : 202, { Location: '/session', 'Content-Length': 0 })
  res.end()
})
server.listen(Number(process.argv[2]), '127.0.0.1')

async function write(body: IncomingMessage): Promise<void> {
  const chunks: Buffer[] = []
  for await (const chunk of body) chunks.push(chunk)
  const file = await open(`blob${count++}`, 'wx')
  await file.writev(chunks)
  await file.datasync()
  await file.close()
}
