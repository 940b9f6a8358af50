import { once } from 'node:events'
import { connect } from 'node:net'
import type { Count } from './wrk.ts'

/** HEAD as often as so many connections can, the paths in turn as wrk.lua takes them; wrk would wait for bodies. */
export async function heads(
  url: string,
  paths: readonly string[],
  connections: number,
  seconds: number,
): Promise<Count> {
  const { hostname, port } = new URL(url)
  const until = performance.now() + seconds * 1000
  const count = { requests: 0, bytes: 0, seconds }
  const ask = async () => {
    const socket = connect(Number(port), hostname).setNoDelay()
    let [answer, failure] = ['', '']
    const send = () => {
      const path = `${paths[count.requests % paths.length]}${count.requests}`
      socket.write(`HEAD ${path} HTTP/1.1\r\nHost: bench\r\n\r\n`)
    }
    socket.on('data', chunk => {
      answer += chunk.toString('latin1')
      count.bytes += chunk.length
      if (!answer.endsWith('\r\n\r\n')) return
      if (!answer.startsWith('HTTP/1.1 200 ')) failure = answer
      answer = ''
      count.requests++
      if (failure || performance.now() > until) socket.end()
      else send()
    })
    send()
    await once(socket, 'close')
    if (failure) throw new Error(`HEAD ${url}: ${failure}`)
  }
  await Promise.all(Array.from({ length: connections }, ask))
  return count
}
