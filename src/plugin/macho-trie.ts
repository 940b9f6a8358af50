import type { Bytes } from '../lib/bytes.ts'
import { PluginError } from './error.ts'
import type { Export } from './image.ts'

// <mach-o/loader.h>, EXPORT_SYMBOL_FLAGS_*; the node's form is told in dyld's MachOTrie and in the comment of
// struct dyld_info_command: size of the terminal part, that part, number of edges, edges (label, child's offset).

const REEXPORT = 0x08

// A tree with as many exports of memflow as are taken has a few dozen nodes on the way to them.
const MAX_NODES = 1024

// Symbols of C++ run to thousands of characters, those of memflow do not.
const MAX_TAIL = 256

/**
 * The exports whose names begin so, in the order of the walk. Only edges that can lead to one are followed.
 * In a tree each byte is looked at once at most: more looks than bytes means that it loops.
 */
export function* trieExports(trie: Bytes, prefix: string): Generator<Export> {
  const reader = new TrieReader(trie)
  let nodes = 0
  const open: { name: string; at: number }[] = [{ name: '', at: 0 }]
  for (let node = open.pop(); node; node = open.pop()) {
    reader.at = node.at
    const size = reader.uleb()
    const edgesAt = reader.at + size
    if (size > 0 && node.name.startsWith(prefix)) {
      const flags = reader.uleb()
      // An address; a re-export has the number of another library there.
      if ((flags & REEXPORT) === 0) yield { name: node.name, address: reader.uleb() }
    }
    reader.at = edgesAt
    const children = []
    for (let edges = reader.u8(); edges > 0; edges--) {
      const name = node.name + reader.label()
      const at = reader.uleb()
      if (!name.startsWith(prefix) && !prefix.startsWith(name)) continue
      if (name.length > prefix.length + MAX_TAIL)
        throw new PluginError('encoding', 'an export has an absurdly long name')
      if (++nodes > MAX_NODES) throw new PluginError('not-executable', 'the export trie loops')
      children.push({ name, at })
    }
    open.push(...children.reverse())
  }
}

/** Reads on from `at`, and gives up when it has read more than there is. */
class TrieReader {
  at = 0
  readonly #trie: Bytes
  #left: number

  constructor(trie: Bytes) {
    this.#trie = trie
    this.#left = trie.size
  }

  u8(): number {
    this.#spend(1)
    return this.#trie.u8(this.at++)
  }

  uleb(): number {
    let value = 0
    for (let unit = 1; ; unit *= 128) {
      const byte = this.u8()
      value += (byte & 0x7f) * unit
      if (value > Number.MAX_SAFE_INTEGER)
        throw new PluginError('not-executable', 'the export trie has a number beyond all bounds')
      if (byte < 0x80) return value
    }
  }

  label(): string {
    const start = this.at
    this.at = this.#trie.nul(start) + 1
    this.#spend(this.at - start)
    return this.#trie.cstring(start)
  }

  #spend(bytes: number): void {
    this.#left -= bytes
    if (this.#left < 0) throw new PluginError('not-executable', 'the export trie loops')
  }
}
