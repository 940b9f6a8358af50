import { execFileSync } from 'node:child_process'
import type { Export } from '../../src/plugin/image.ts'

/** Whether a program can be run here. */
export function hasTool(name: string): boolean {
  try {
    execFileSync(name, ['--version'], { stdio: 'ignore' })
    return true
  } catch {
    return false
  }
}

// Number, value, size, type, bind, visibility, section, name; some words of it are several.
const SYMBOL =
  /^\s*\d+: ([0-9a-f]+)\s+\S+\s+\S+\s+(<OS specific>: \d+|\S+)\s+\S+(?: \[.*?\])?\s+(bad section index\[ *\d+\]|\S+) (\S+)/

/** The exports of an ELF file by `readelf`, in the order of .dynsym. */
export function readelfExports(path: string): Export[] {
  const lines = run('readelf', '-W', '--dyn-syms', path)
  // A file without section headers is read by its dynamic section only when asked to.
  if (!lines.some(line => line.includes('Symbol table')))
    lines.push(...run('readelf', '-W', '-D', '-s', path))
  const exports = []
  for (const line of lines) {
    const [, value, bind, section, name] = SYMBOL.exec(line) ?? []
    if (!value || !name || section === 'UND' || bind === 'LOCAL') continue
    exports.push({ name: name.replace(/@.*/, ''), address: Number.parseInt(value, 16) })
  }
  return exports
}

/** Where the pointers point that an ELF file relocates by RELA and its own base, by `readelf`. */
export function readelfPointers(path: string): Map<number, number> {
  const pointers = new Map<number, number>()
  for (const line of run('readelf', '-W', '--relocs', path)) {
    const [slot, , type, target] = line.trim().split(/\s+/)
    if (!type?.endsWith('_RELATIVE') || !slot || !target) continue
    pointers.set(Number.parseInt(slot, 16), Number.parseInt(target, 16))
  }
  return pointers
}

/** The exports of a PE file by `objdump`, in the order of the name table. Forwarded ones are none. */
export function objdumpExports(path: string): Export[] {
  const functions = new Map<number, number>()
  const exports = []
  for (const line of run('objdump', '-p', path)) {
    const address = /^\t\[ *(\d+)\] \+base\[ *\d+\] ([0-9a-f]+) Export RVA/.exec(line)
    if (address) functions.set(Number(address[1]), Number.parseInt(address[2] ?? '', 16))
    const [, ordinal, name] = /^\t\[ *(\d+)\](?: \+base\[ *\d+\] +[0-9a-f]+)? (\S+)$/.exec(line) ?? []
    const found = functions.get(Number(ordinal))
    if (name && found !== undefined) exports.push({ name, address: found })
  }
  return exports
}

/** The lines that a tool prints, in no language but English. */
export function run(tool: string, ...args: string[]): string[] {
  const options = { encoding: 'utf8', maxBuffer: 2 ** 30, env: { ...process.env, LC_ALL: 'C' } } as const
  return execFileSync(tool, args, { ...options, stdio: ['ignore', 'pipe', 'ignore'] }).split('\n')
}
