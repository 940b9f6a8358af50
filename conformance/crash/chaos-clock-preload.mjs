// Loaded into the server before its own code: shifts what JavaScript takes for the time of day. CHAOS_CLOCK names a
// symbolic link whose target is the shift in milliseconds. To read a link takes no descriptor, so the clock can be
// stepped while there is none. Monotonic time is left alone, as by a real step.
import { readlinkSync } from 'node:fs'

const POLL_MS = 20
const Real = Date
const link = process.env.CHAOS_CLOCK
let shift = shiftNow()

globalThis.Date = class extends Real {
  constructor(...parts) {
    if (parts.length === 0) super(Real.now() + shift)
    else super(...parts)
  }

  static now() {
    return Real.now() + shift
  }
}
setInterval(() => {
  shift = shiftNow()
}, POLL_MS).unref()

function shiftNow() {
  try {
    return Number(readlinkSync(link))
  } catch {
    // It is being replaced.
    return shift ?? 0
  }
}
