import { expect, test } from 'vitest'
import { formatDnsServer, parseDnsServer, systemDnsServers } from '../../../dns/servers.ts'

test.each([
  ['127.0.0.1', '127.0.0.1', 53],
  ['127.0.0.1:5353', '127.0.0.1', 5353],
  ['::1', '::1', 53],
  ['[::1]', '::1', 53],
  ['[2001:db8::1]:5353', '2001:db8::1', 5353],
])('%s', (text, host, port) => {
  expect(parseDnsServer(text)).toEqual({ host, port })
  expect(parseDnsServer(formatDnsServer({ host, port }))).toEqual({ host, port })
})

test.each([
  ['', 'empty'],
  ['dns.example', 'a name'],
  ['127.0.0.1:', 'no port'],
  ['127.0.0.1:0', 'port 0'],
  ['127.0.0.1:65536', 'port too high'],
  ['[127.0.0.1', 'open bracket'],
  ['256.0.0.1', 'not an address'],
])('%j is refused: %s', (text) => {
  expect(() => parseDnsServer(text)).toThrow(/is not the address of a DNS server/)
})

test('the servers of the system can be parsed', () => {
  expect(systemDnsServers().map(parseDnsServer).length).toBeGreaterThan(0)
})
