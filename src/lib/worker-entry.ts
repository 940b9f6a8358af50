/**
 * What a worker thread runs: `module` without its ending, below src. In dist/, where all other files lie at the top,
 * that is a file of the same path. From the sources the thread has to register tsx by itself: under Node 20 it does
 * not take the loader over from the main thread.
 */
export function workerEntry(module: string): URL {
  const here = import.meta.url
  if (!here.endsWith('.ts')) return new URL(`./${module}.js`, here)
  const worker = new URL(`../${module}.ts`, here)
  const code = `import { register } from 'node:module'
    register('tsx/esm', '${here}', { data: true })
    await import('${worker}')`
  return new URL(`data:text/javascript,${encodeURIComponent(code)}`)
}
