// Makes dist/ of src/: few files, for loading each module by itself takes a quarter of the processor time of a start.
import { rmSync } from 'node:fs'
import { build } from 'esbuild'

rmSync('dist', { recursive: true, force: true })
await build({
  // The program, what the worker threads run, and a whole registry for specs.
  entryPoints: ['src/cli.ts', 'src/analyzer/worker.ts', 'src/documents/worker.ts', 'src/compose.ts'],
  outbase: 'src',
  outdir: 'dist',
  bundle: true,
  // What a command needs is still loaded with it.
  splitting: true,
  packages: 'external',
  platform: 'node',
  format: 'esm',
  target: 'node20.19',
})
