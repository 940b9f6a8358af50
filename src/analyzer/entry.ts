/**
 * What a thread runs. In dist/, where all other files lie at the top, that is analyzer/worker.js. From the sources the
 * thread has to register tsx by itself: under Node 20 it does not take the loader over from the main thread.
 */
export function workerEntry(): URL {
  const here = import.meta.url
  if (!here.endsWith('.ts')) return new URL('./analyzer/worker.js', here)
  const worker = new URL('./worker.ts', here)
  const code = `import { register } from 'node:module'
    register('tsx/esm', '${here}', { data: true })
    await import('${worker}')`
  return new URL(`data:text/javascript,${encodeURIComponent(code)}`)
}
