/** The name under which the reverse DNS of an address is asked. Pure. */
import { isIPv6 } from 'node:net'

/** RFC 1035 §3.5 for IPv4, RFC 3596 §2.5 for IPv6. The address must be valid. */
export function reverseName(ip: string): string {
  if (!isIPv6(ip)) return `${ip.split('.').reverse().join('.')}.in-addr.arpa`
  return `${Array.from(hexDigits(ip)).reverse().join('.')}.ip6.arpa`
}

/** All 32 digits of an IPv6 address. */
function hexDigits(ip: string): string {
  // The URL parser turns a dotted end into hexadecimal and checks the rest.
  const plain = new URL(`http://[${ip.replace(/%.*$/, '')}]`).hostname.slice(1, -1)
  const [head = '', tail] = plain.split('::')
  const groups = (part: string): string[] => (part === '' ? [] : part.split(':'))
  const left = groups(head)
  const right = groups(tail ?? '')
  const zeros = Array<string>(8 - left.length - right.length).fill('0')
  return [...left, ...zeros, ...right].map((group) => group.padStart(4, '0')).join('')
}
