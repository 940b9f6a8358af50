/** A command of a text, and the output that the text shows for it. */
export interface Step {
  readonly command: string
  readonly shown: string
}

/** The commands of one fenced block. */
export interface ConsoleBlock {
  /** The heading above it. */
  readonly heading: string
  /** Whether the last command goes on running while those of the next blocks run. */
  readonly isServer: boolean
  readonly steps: readonly Step[]
}

/**
 * The blocks of a Markdown text whose fence says `console`, or `console server`. Lines that begin with `$ ` are commands,
 * lines that begin with `> ` continue them, and the others are output.
 */
export function consoleBlocks(markdown: string): ConsoleBlock[] {
  const blocks: ConsoleBlock[] = []
  let heading = ''
  for (const [, title, kind, body = ''] of markdown.matchAll(
    /^#+ (.*)$|^```(console(?: server)?)\n([\s\S]*?)^```$|^```[^\n]*\n[\s\S]*?^```$/gm,
  )) {
    if (title !== undefined) heading = title
    if (kind !== undefined) blocks.push({ heading, isServer: kind.endsWith('server'), steps: stepsOf(body) })
  }
  return blocks
}

function stepsOf(body: string): Step[] {
  const steps: { command: string; shown: string }[] = []
  for (const line of body.split('\n').slice(0, -1)) {
    const step = steps.at(-1)
    if (line.startsWith('$ ')) steps.push({ command: line.slice(2), shown: '' })
    else if (step === undefined) throw new Error(`a console block begins with output: ${line}`)
    else if (line.startsWith('> ') && step.shown === '') step.command += `\n${line.slice(2)}`
    else step.shown += `${line}\n`
  }
  return steps
}

/** What the output must be: `…` is any text within a line, and any number of lines if it has the line to itself. */
export function outputPattern(shown: string): RegExp {
  const lines = shown.split('\n').slice(0, -1)
  const pattern = lines.map(line =>
    line === '…' ? '(?:.*\\n)*?' : `${line.split('…').map(literal).join('.*')}\\n`,
  )
  return new RegExp(`^${pattern.join('')}$`)
}

function literal(text: string): string {
  return text.replace(/[\\^$.*+?()[\]{}|]/g, '\\$&')
}
