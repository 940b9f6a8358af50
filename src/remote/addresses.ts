import { BlockList, isIP } from 'node:net'

/** IANA IPv4 Special-Purpose Address Registry, what is not globally reachable, and multicast. */
const SPECIAL_IPV4 = [
  ['0.0.0.0', 8],
  ['10.0.0.0', 8],
  ['100.64.0.0', 10],
  ['127.0.0.0', 8],
  ['169.254.0.0', 16],
  ['172.16.0.0', 12],
  ['192.0.0.0', 24],
  ['192.0.2.0', 24],
  ['192.88.99.0', 24],
  ['192.168.0.0', 16],
  ['198.18.0.0', 15],
  ['198.51.100.0', 24],
  ['203.0.113.0', 24],
  ['224.0.0.0', 4],
  ['240.0.0.0', 4],
  // Azure's host, which gives virtual machines their secrets: public in form only.
  ['168.63.129.16', 32],
] as const

/**
 * Of IPv6 only 2000::/3 is global unicast (RFC 4291, 2.4); these parts of it are not, or lead to IPv4 addresses.
 * What embeds an IPv4 address elsewhere (mapped, NAT64) lies outside.
 */
const SPECIAL_IPV6 = [
  ['2001::', 23],
  ['2001:db8::', 32],
  ['2002::', 16],
  ['3fff::', 20],
] as const

const special = new BlockList()
for (const [net, prefix] of SPECIAL_IPV4) special.addSubnet(net, prefix, 'ipv4')
for (const [net, prefix] of SPECIAL_IPV6) special.addSubnet(net, prefix, 'ipv6')

const unicast = new BlockList()
unicast.addSubnet('2000::', 3, 'ipv6')

/** Whether the text is an IP address of the public internet: not of this machine, its network or its cloud. */
export function isPublicAddress(text: string): boolean {
  const version = isIP(text)
  if (version === 4) return !special.check(text, 'ipv4')
  return version === 6 && unicast.check(text, 'ipv6') && !special.check(text, 'ipv6')
}
