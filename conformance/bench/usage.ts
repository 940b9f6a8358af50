import { readFileSync, writeFileSync } from 'node:fs'

/** What the kernel counts of a process; undefined, or 0 bytes, where there is no /proc. */

/** Seconds of processor time of all its threads. */
export function processorSeconds(pid: number): number | undefined {
  // The name, in parentheses, may have spaces in it; user and system time are the 14th and 15th field, in 1/100 s.
  const fields = read(`/proc/${pid}/stat`)?.split(') ').at(-1)?.split(' ')
  return fields && (Number(fields[11]) + Number(fields[12])) / 100
}

/** Bytes of memory that are its own now. */
export function residentBytes(pid: number): number {
  return field(pid, 'VmRSS')
}

/** The most that `residentBytes` ever was, or has been since `forgetPeak`. */
export function peakBytes(pid: number): number {
  return field(pid, 'VmHWM')
}

export function forgetPeak(pid: number): void {
  writeFileSync(`/proc/${pid}/clear_refs`, '5')
}

function field(pid: number, name: string): number {
  const [, kib] = new RegExp(`^${name}:\\s+(\\d+) kB$`, 'm').exec(read(`/proc/${pid}/status`) ?? '') ?? []
  return Number(kib ?? 0) * 1024
}

function read(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return undefined
  }
}
