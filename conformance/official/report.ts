/** The lines of the suite's output from its result on: counts, conformance by API and by data. */
export function closingLines(output: string): string {
  const at = output.indexOf('OCI Conformance Result:')
  return at < 0 ? 'the suite gave no result' : output.slice(at).trimEnd()
}

/** Each test that did not pass, with what the suite says about it; groups of tests are left out. */
export function failures(output: string): string[] {
  const found: string[] = []
  let test = ''
  for (const line of output.split('\nConfiguration:')[0]?.split('\n') ?? []) {
    const text = line.trim()
    if (/^OCI Conformance Test.*: \w+$/.test(text)) test = text
    else if (/^ +- /.test(line) && /: (Skip|FAIL|Error)$/.test(test)) {
      if (found.at(-1) !== test) found.push(test)
      found.push(`  ${text}`)
      test = ''
    }
  }
  return found
}
