import { type MessagePort, parentPort } from 'node:worker_threads'
import { type Answer, answerTo, type Request } from './answer.ts'
import { unpack } from './unpack.ts'

// The thread's side: an empty message when it is ready, then an answer for each file. While it unpacks an archive it
// says what it needs next (see `Answer`), and gets a reply each time but the last.
if (parentPort) serve(parentPort)

function serve(port: MessagePort): void {
  let reply = (_size: number) => {}
  let turn: Promise<unknown> = Promise.resolve()

  /** One question at a time, because gunzip reads ahead while a plugin is being stored. */
  const ask = (answer: Answer): Promise<number> => {
    const replied = turn.then(
      () =>
        new Promise<number>(resolve => {
          reply = resolve
          port.postMessage(answer)
        }),
    )
    turn = replied
    return replied
  }

  const search = async ({ options, piece }: Exclude<Request, number | Uint8Array>): Promise<void> => {
    const plugins = unpack(pieces(piece, ask), options)
    let next = await plugins.next()
    for (; !next.done; next = await plugins.next()) await ask({ plugin: next.value })
    // A piece that was asked for ahead may still be on its way.
    await turn
    port.postMessage({ unpacked: next.value } satisfies Answer)
  }

  port.on('message', (request: Request) => {
    if (typeof request === 'number') reply(request)
    else if (request instanceof Uint8Array) port.postMessage(answerTo(request))
    // What it throws ends the thread.
    else void search(request)
  })
  port.postMessage(undefined)
}

/** Copies, because the memory is used again while gunzip still has the piece before. */
async function* pieces(
  piece: Uint8Array,
  ask: (answer: Answer) => Promise<number>,
): AsyncGenerator<Uint8Array> {
  for (let size = await ask('more'); size > 0; size = await ask('more'))
    yield Buffer.from(piece.subarray(0, size))
}
