// Makes dist/ of src/: few files, for loading each module by itself takes a quarter of the processor time of a start.
//   node build.mjs --if-possible    leaves dist/ as it is without esbuild, which `npm ci --omit=dev` leaves out
import { existsSync, rmSync } from 'node:fs'

const { build } = await import('esbuild').catch(() => {
  if (process.argv.includes('--if-possible') && existsSync('dist/cli.js')) process.exit(0)
  if (process.env.npm_lifecycle_event === 'prepare') process.exit(0)
  process.stderr.write('build.mjs: esbuild is missing: run npm ci, without --omit=dev, and build\n')
  process.exit(2)
})

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
