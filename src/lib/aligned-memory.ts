/** Bytes of one piece. */
export const PIECE = 512 * 1024

/** As many as there are threads for files by default: more are not written at a time. */
const PIECES = 16

/** The types of Node.js leave it out. */
declare const WebAssembly: {
  readonly Memory: new (size: { initial: number; maximum: number }) => { readonly buffer: ArrayBuffer }
}
const WASM_PAGE = 64 * 1024

const spare = pieces()

/**
 * `PIECE` bytes that begin at a page of memory, as a direct write needs them; what stands in them is somebody else's.
 * Undefined while all are taken, or where there is no such memory. Who takes one has to give it back.
 */
export function takeAligned(): Buffer | undefined {
  return spare.pop()
}

export function giveAligned(piece: Buffer): void {
  spare.push(piece)
}

/** Nobody tells where a buffer begins; a memory for WebAssembly begins at a page. It is used up only where it is written to. */
function pieces(): Buffer[] {
  try {
    const pages = (PIECES * PIECE) / WASM_PAGE
    const { buffer } = new WebAssembly.Memory({ initial: pages, maximum: pages })
    return Array.from({ length: PIECES }, (_, i) => Buffer.from(buffer, i * PIECE, PIECE))
  } catch {
    // Where the address space is limited. Without it all is written in the ordinary way.
    return []
  }
}
