import { spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'

/** What a script of this folder, which uses LIEF, answers for each path: a JSON line each, in their order. */
export async function* askLief<T>(script: string, paths: readonly string[]): AsyncGenerator<T> {
  const file = fileURLToPath(new URL(`./${script}`, import.meta.url))
  const python = spawn('python3', ['-B', file], { stdio: ['pipe', 'pipe', 'inherit'] })
  python.stdin.end(paths.map(path => `${path}\n`).join(''))
  let answers = 0
  for await (const line of createInterface({ input: python.stdout })) {
    answers++
    yield JSON.parse(line)
  }
  if (answers < paths.length) {
    console.error(`LIEF answered for ${answers} of ${paths.length} files (pip install lief)`)
    process.exit(2)
  }
}
