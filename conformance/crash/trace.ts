/** A call of the system. */
export interface Call {
  readonly name: string
  /** Its arguments, as strace writes them. */
  readonly text: string
  /** Lines of the trace: calls of other threads may lie between. */
  readonly began: number
  readonly ended: number
}

const WHOLE = /^(\d+) +(\w+)\((.*)\) += (-?\d+)/
const BEGUN = /^(\d+) +(\w+)\((.*) <unfinished \.\.\.>$/
const RESUMED = /^(\d+) +<\.\.\. \w+ resumed>(.*)\) += (-?\d+)/

/** Reads what `strace -f` writes; calls that failed are left out. */
export function readTrace(trace: string): Call[] {
  const calls: Call[] = []
  const open = new Map<string, Omit<Call, 'ended'>>()
  for (const [line, text] of trace.split('\n').entries()) {
    const whole = WHOLE.exec(text)
    const begun = BEGUN.exec(text)
    const resumed = RESUMED.exec(text)
    if (whole) {
      const [, , name = '', args = '', result] = whole
      if (Number(result) >= 0) calls.push({ name, text: args, began: line, ended: line })
    } else if (begun) {
      const [, thread = '', name = '', args = ''] = begun
      open.set(thread, { name, text: args, began: line })
    } else if (resumed) {
      const [, thread = '', more = '', result] = resumed
      const call = open.get(thread)
      if (call && Number(result) >= 0) calls.push({ ...call, text: call.text + more, ended: line })
    }
  }
  return calls
}
