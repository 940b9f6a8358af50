import { parentPort } from 'node:worker_threads'
import { type Answer, answerTo, type Request } from './answer.ts'
import { unpack } from './unpack.ts'

// The thread's side: an empty message when it is ready, then an answer for each file. While it unpacks an archive it
// answers with what it needs next (see `Answer`), and gets a reply for each answer but the last.

let reply: ((bytes: number) => void) | undefined

parentPort?.on('message', (message: Request) => {
  if (typeof message === 'number') reply?.(message)
  else if (message instanceof Uint8Array) parentPort?.postMessage(answerTo(message))
  // What is thrown in there ends the thread.
  else void unpackFor(message).then(answer => parentPort?.postMessage(answer))
})
parentPort?.postMessage(undefined)

async function unpackFor({ options, piece }: Exclude<Request, number | Uint8Array>): Promise<Answer> {
  let turn: Promise<unknown> = Promise.resolve()
  // One at a time, because gunzip reads ahead while a plugin is being stored.
  const ask = (answer: Answer): Promise<number> => {
    const replied = turn.then(
      () =>
        new Promise<number>(resolve => {
          reply = resolve
          parentPort?.postMessage(answer)
        }),
    )
    turn = replied
    return replied
  }
  async function* pieces() {
    for (let size = await ask('more'); size > 0; size = await ask('more'))
      yield Buffer.from(piece.slice(0, size))
  }
  const plugins = unpack(pieces(), options)
  for (;;) {
    const next = await plugins.next()
    // A piece that was asked for ahead is still to come.
    await turn
    if (next.done) return { unpacked: next.value }
    await ask({ plugin: next.value })
  }
}
