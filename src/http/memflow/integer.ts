/** A value that is not of its field's type; the message is the original's. */
export class InvalidValue extends Error {
  override readonly name = 'InvalidValue'
}

/** An integer as Rust's `from_str` reads it: a sign, then decimal digits, complained of from left to right. Throws `InvalidValue`. */
export function parseInteger(text: string, min: bigint, max: bigint): bigint {
  if (text === '') throw new InvalidValue('cannot parse integer from empty string')
  const negative = text.startsWith('-') && min < 0n
  const digits = negative || text.startsWith('+') ? text.slice(1) : text
  if (digits === '') throw new InvalidValue('invalid digit found in string')
  let value = 0n
  for (const digit of digits) {
    if (digit < '0' || digit > '9') throw new InvalidValue('invalid digit found in string')
    value = value * 10n + (negative ? -BigInt(digit) : BigInt(digit))
    if (value > max) throw new InvalidValue('number too large to fit in target type')
    if (value < min) throw new InvalidValue('number too small to fit in target type')
  }
  return value
}
