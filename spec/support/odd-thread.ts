/**
 * The entry of a thread that does with a file what its last byte says. It is a real one, which really hangs, dies and
 * fills its memory.
 */
export const ODD_THREAD = threadOf(`
  import { parentPort } from 'node:worker_threads'
  import { setTimeout } from 'node:timers/promises'
  const acts = {
    answer: () => ({ examination: { descriptors: [], facts: {} } }),
    hang: () => { for (;;); },
    regex: () => /^(a+)+$/.test('a'.repeat(60) + 'b'),
    fill: () => { for (let list; ; ) list = { list, more: [1, 2, 3] } },
    exit: () => process.exit(3),
    throw: () => { throw new TypeError('a bug') },
    slow: () => setTimeout(200, { refusal: { kind: 'not-found', reason: 'slow' } }),
    mark: file => { file[0] = 1; return { refusal: { kind: 'not-found', reason: 'marked' } } },
  }
  parentPort.on('message', async file => parentPort.postMessage(await Object.values(acts)[file.at(-1)](file)))
  parentPort.postMessage(undefined)
`)

const ACTS = ['answer', 'hang', 'regex', 'fill', 'exit', 'throw', 'slow', 'mark'] as const

export type Act = (typeof ACTS)[number]

/** A file that makes the thread act so. It begins like an ELF file, and is in memory that the thread shares. */
export function fileFor(act: Act, size = 5): Uint8Array {
  const bytes = new Uint8Array(new SharedArrayBuffer(size)).fill(ACTS.indexOf(act))
  bytes.set([0x7f, 0x45, 0x4c, 0x46])
  return bytes
}

/** A thread that runs this JavaScript. */
export function threadOf(code: string): URL {
  return new URL(`data:text/javascript,${encodeURIComponent(code)}`)
}
