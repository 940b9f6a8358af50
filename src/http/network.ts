/**
 * What counts as one client: an IPv4 address, or the /64 of an IPv6 address, because a client that has one address of
 * it has all of them.
 */
export function networkOf(address: string): string {
  const [, ipv4] = /^(?:::ffff:)?(\d+\.\d+\.\d+\.\d+)$/i.exec(address) ?? []
  if (ipv4) return ipv4
  const [left = '', right = ''] = address.split('%', 1)[0]?.split('::') ?? []
  const [head, tail] = [groups(left), groups(right)]
  const zeros = Math.max(0, 8 - head.length - tail.length)
  return [...head, ...Array<string>(zeros).fill('0'), ...tail].slice(0, 4).join(':')
}

function groups(text: string): string[] {
  return text === '' ? [] : text.split(':')
}
