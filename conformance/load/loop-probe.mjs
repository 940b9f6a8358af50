// Loaded into a server by `node --import`: on SIGUSR2 it writes the longest blocks of the event loop since the last time,
// in milliseconds, to the file that LOOP_PROBE names. They are in processor time of the main thread (Linux), which other
// programs on the machine do not lengthen.
import { readFileSync, writeFileSync } from 'node:fs'
import { isMainThread } from 'node:worker_threads'

const EVERY_MS = 1

/** Nanoseconds that this thread has had the processor, the first number of the kernel's schedstat. */
function processorTime() {
  return Number.parseInt(readFileSync('/proc/thread-self/schedstat', 'latin1'), 10)
}

if (isMainThread) {
  let blocks = []
  let last = processorTime()
  // What the thread has worked between two timers, it has worked without coming back to its timers.
  setInterval(() => {
    const now = processorTime()
    blocks.push((now - last) / 1e6)
    last = now
  }, EVERY_MS).unref()
  process.on('SIGUSR2', () => {
    blocks.sort((a, b) => a - b)
    const [p99, max] = [blocks[Math.floor(blocks.length * 0.99)] ?? 0, blocks.at(-1) ?? 0]
    writeFileSync(process.env.LOOP_PROBE, JSON.stringify({ p99, max }))
    blocks = []
  })
}
