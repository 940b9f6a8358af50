/** A line of a plot. */
export interface Series {
  readonly title: string
  readonly values: readonly number[]
}

export interface Plot {
  readonly title: string
  readonly across: string
  readonly up: string
  /** Where the values stand on the axis across, which is logarithmic. */
  readonly at: readonly number[]
  readonly series: readonly Series[]
}

const WIDTH = 860
const HEIGHT = 400
const LEFT = 70
const RIGHT = 330
const TOP = 46
const BOTTOM = 56
const LINE = 17

/** Distinct, and seen on white and on black. */
const COLOURS = [
  '#3b82f6',
  '#e0752d',
  '#22a06b',
  '#c04fd0',
  '#b8860b',
  '#0fa3b1',
  '#e5484d',
  '#8b7ff0',
  '#7a8b99',
  '#d6569b',
]

/** The plot as SVG: lines from 0, each with its name at its end. */
export function svgOf({ title, across, up, at, series }: Plot): string {
  const top = niceAbove(Math.max(...series.flatMap(({ values }) => values)))
  const [first, last] = [Math.log10(at[0] ?? 1), Math.log10(at.at(-1) ?? 10)]
  const x = (value: number) => LEFT + ((Math.log10(value) - first) / (last - first)) * (WIDTH - LEFT - RIGHT)
  const y = (value: number) => HEIGHT - BOTTOM - (value / top) * (HEIGHT - TOP - BOTTOM)
  const steps = [0, 0.25, 0.5, 0.75, 1].map(share => share * top)
  const parts = [
    text(LEFT, 20, title, 'class="title"'),
    ...steps.map(value => line(x(at[0] ?? 1), y(value), x(at.at(-1) ?? 1), y(value))),
    ...steps.map(value => text(LEFT - 8, y(value) + 4, value.toLocaleString('en'), 'text-anchor="end"')),
    ...at.map(value =>
      text(x(value), HEIGHT - BOTTOM + 20, value.toLocaleString('en'), 'text-anchor="middle"'),
    ),
    text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 12, across, 'text-anchor="middle"'),
    text(
      0,
      0,
      up,
      `text-anchor="middle" transform="translate(16 ${(TOP + HEIGHT - BOTTOM) / 2}) rotate(-90)"`,
    ),
    ...curvesOf(series, at, x, y),
  ]
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}" font-family="system-ui, sans-serif" font-size="12">
<title>${title}</title>
<style>text { fill: #57606a } .title { font-size: 14px; font-weight: 600 } .grid { stroke: #8c959f55 } @media (prefers-color-scheme: dark) { text { fill: #b1bac4 } }</style>
${parts.join('\n')}
</svg>
`
}

function curvesOf(
  series: readonly Series[],
  at: readonly number[],
  x: (value: number) => number,
  y: (value: number) => number,
): string[] {
  const ends = series
    .map(({ title, values }, i) => ({ title, values, colour: COLOURS[i % COLOURS.length] }))
    .sort((a, b) => (b.values.at(-1) ?? 0) - (a.values.at(-1) ?? 0))
  // From the lowest up, so that names that would lie on each other make room above.
  let free = HEIGHT - BOTTOM
  const labels = ends.toReversed().map(({ title, values, colour }) => {
    const end = y(values.at(-1) ?? 0)
    const height = Math.min(end, free)
    free = height - LINE
    const label = text(WIDTH - RIGHT + 26, height + 4, title, `style="fill: ${colour}"`)
    const lead = `<line x1="${WIDTH - RIGHT + 5}" y1="${round(end)}" x2="${WIDTH - RIGHT + 22}" y2="${round(height)}" stroke="${colour}" opacity="0.5"/>`
    return lead + label
  })
  const lines = ends.flatMap(({ values, colour }) => {
    const points = values.map((value, i) => `${round(x(at[i] ?? 1))},${round(y(value))}`)
    const dots = points.map(point => `<circle cx="${point.replace(',', '" cy="')}" r="3" fill="${colour}"/>`)
    return [
      `<polyline points="${points.join(' ')}" fill="none" stroke="${colour}" stroke-width="2"/>`,
      ...dots,
    ]
  })
  return [...lines, ...labels]
}

/** The next of 1, 2, 4, 6, 8, 10 … of its power of ten. */
function niceAbove(value: number): number {
  const power = 10 ** Math.floor(Math.log10(value))
  return ([1, 2, 4, 6, 8].find(step => step * power >= value) ?? 10) * power
}

function line(x1: number, y1: number, x2: number, y2: number): string {
  return `<line class="grid" x1="${round(x1)}" y1="${round(y1)}" x2="${round(x2)}" y2="${round(y2)}"/>`
}

function text(x: number, y: number, content: string, attributes: string): string {
  const escaped = content.replaceAll('&', '&amp;').replaceAll('<', '&lt;')
  return `<text x="${round(x)}" y="${round(y)}" ${attributes}>${escaped}</text>`
}

function round(value: number): number {
  return Math.round(value * 10) / 10
}
