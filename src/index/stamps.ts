import type { Op, Rows, Unchanged } from './contract.ts'

/** A slot for every row would grow with what is stored; rows that share one are taken for changed a little too often. */
const SLOTS = 1 << 16

/** Tells whether rows are as they were, without reading them: every change leaves its mark on the slots of its rows. */
export class Stamps {
  /** Even: at rest; odd: a change is under way. */
  readonly #marks = new Uint32Array(SLOTS)
  readonly #open = new Set<number>()

  /** A change of these rows begins. Until `end`, nothing is said of them. */
  begin(ops: readonly Op[]): void {
    for (const { table, key } of ops) {
      for (const slot of [slotOf(table.prefix), slotOf(table.prefix, key[0])]) {
        if (this.#open.has(slot)) continue
        this.#open.add(slot)
        this.#step(slot)
      }
    }
  }

  /** All changes that have begun are through. */
  end(): void {
    for (const slot of this.#open) this.#step(slot)
    this.#open.clear()
  }

  watch(rows: readonly Rows[]): Unchanged {
    const slots = rows.map(([{ prefix }, first]) => slotOf(prefix, first))
    const marks = slots.map(slot => this.#marks[slot] as number)
    if (marks.some(mark => mark % 2 === 1)) return () => false
    return () => slots.every((slot, i) => this.#marks[slot] === marks[i])
  }

  #step(slot: number): void {
    this.#marks[slot] = (this.#marks[slot] as number) + 1
  }
}

/** FNV-1a. */
function slotOf(prefix: string, first?: string): number {
  const text = first === undefined ? prefix : `${prefix}\0${first}`
  let hash = 0x811c9dc5
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193)
  return (hash ^ (hash >>> 16)) & (SLOTS - 1)
}
