import type { Figure } from './figure.ts'
import { OURS } from './peers.ts'
import { type Aim, type Row, ratioOf } from './work.ts'

/** The rows as a table of Markdown: what each peer did, what ours cost, and how far it is from its aims. */
export function tableOf(rows: readonly Row[]): string {
  const peers = [...new Set(rows.flatMap(({ figures }) => Object.keys(figures)))]
  const lines = rows.map(row => [
    row.unit === 'req/s' ? row.title : `${row.title} (${row.unit})`,
    ...peers.map(name => cellOf(row.figures[name])),
    row.aims.map(aim => aimOf(row, aim)).join(', '),
  ])
  return markdown(['requests a second (µs of processor time for each)', ...peers, 'ours beside'], lines)
}

/** One row on the terminal, as soon as it is measured. */
export function lineOf(row: Row): string {
  const figures = Object.entries(row.figures).map(([name, figure]) => `${name} ${cellOf(figure)}`)
  const aims = row.aims.map(aim => aimOf(row, aim))
  return `${row.title} [${row.unit}]\n    ${figures.join(', ')}\n    ${aims.join(', ')}`
}

export function markdown(head: readonly string[], lines: readonly (readonly string[])[]): string {
  const rows = [head, head.map((_, i) => (i === 0 ? '---' : '---:')), ...lines]
  return `${rows.map(cells => `| ${cells.join(' | ')} |`).join('\n')}\n`
}

/** Three digits of it. */
export function short(value: number): string {
  return Number(value.toPrecision(3)).toLocaleString('en', { maximumFractionDigits: 2 })
}

function cellOf(figure: Figure | undefined): string {
  if (!figure) return '–'
  return short(figure.rate) + (figure.cpu === undefined ? '' : ` (${short(figure.cpu)})`)
}

function aimOf(row: Row, { against, least }: Aim): string {
  const there = against.filter(name => row.figures[name])
  const ratio = ratioOf(row, there, OURS)
  if (ratio === undefined) return ''
  const whom = there.length > 1 ? 'the best of them' : there.join()
  return `${short(ratio)}× ${whom} (aim ${least}×${ratio < least ? ', missed' : ''})`
}
