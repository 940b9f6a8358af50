import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import { setTimeout as sleep, setImmediate as turn } from 'node:timers/promises'

/** A port of the loopback interface where nothing comes back. */
interface Sinkhole {
  readonly port: number
  close(): Promise<void>
}

/** Takes connections and bytes, and never says a word; not even of TLS. */
export async function sinkhole(): Promise<Sinkhole> {
  const sockets = new Set<Socket>()
  const server = createServer(socket => {
    sockets.add(socket.on('error', () => {}).resume())
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  return {
    port: (server.address() as AddressInfo).port,
    close: async () => {
      for (const socket of sockets) socket.destroy()
      await new Promise(resolve => server.close(resolve))
    },
  }
}

const LISTEN = `
  const server = require('node:net').createServer()
  server.listen({ port: 0, host: '127.0.0.1', backlog: 1 }, () => console.log(server.address().port))
`

/** Does not even take connections: a stopped process listens, and its queue is full. */
export async function deafPort(): Promise<Sinkhole> {
  const listener = spawn(process.execPath, ['-e', LISTEN], { stdio: ['ignore', 'pipe', 'inherit'] })
  const [printed] = await once(listener.stdout, 'data')
  const port = Number(printed)
  listener.kill('SIGSTOP')
  const sockets: Socket[] = []
  // One that is not taken soon has found the queue full.
  for (let taken = true; taken && sockets.length < 100; ) {
    const socket = connect(port, '127.0.0.1').on('error', () => {})
    sockets.push(socket)
    // One more turn of the event loop: a connection that was made meanwhile is heard of first.
    const waited = sleep(100).then(() => turn(false))
    taken = await Promise.race([once(socket, 'connect').then(() => true), waited])
  }
  return {
    port,
    close: async () => {
      for (const socket of sockets) socket.destroy()
      const ended = once(listener, 'close')
      listener.kill('SIGKILL')
      await ended
    },
  }
}
