import { expect, test } from 'vitest'
import {
  parseEhlo,
  parseEndpoint,
  parseHostname,
  parseNameServer,
  parseNetwork,
  parseOrigin,
  parseRedisUrl,
} from '../../../server/config/address.ts'

test.each([
  ['127.0.0.1:8080', { host: '127.0.0.1', port: 8080 }, 'IPv4'],
  ['[::1]:8080', { host: '::1', port: 8080 }, 'IPv6 in brackets'],
  ['localhost:0', { host: 'localhost', port: 0 }, 'port 0 lets the system choose'],
  ['8080', undefined, 'a port alone says not where'],
  ['127.0.0.1', undefined, 'no port'],
  ['127.0.0.1:65536', undefined, 'port too high'],
  ['127.0.0.1:80x', undefined, 'port not a number'],
  ['127.0.0.256:80', undefined, 'digits and dots are an address, never a name'],
  ['::1:8080', undefined, 'IPv6 needs brackets'],
  ['[127.0.0.1]:80', undefined, 'brackets are for IPv6'],
  ['http://a:80', undefined, 'a URL is no address'],
  ['', undefined, 'empty'],
])('endpoint %j is %j: %s', (text, endpoint, _why) => {
  expect(parseEndpoint(text)).toEqual(endpoint)
})

test.each([
  ['192.0.2.53', { host: '192.0.2.53', port: 53 }, 'port 53 unless said otherwise'],
  ['192.0.2.53:5353', { host: '192.0.2.53', port: 5353 }, 'another port'],
  ['2001:db8::53', { host: '2001:db8::53', port: 53 }, 'IPv6 without a port'],
  ['[2001:db8::53]', { host: '2001:db8::53', port: 53 }, 'brackets without a port'],
  ['[2001:db8::53]:5353', { host: '2001:db8::53', port: 5353 }, 'IPv6 with a port'],
  ['ns1.example.com', undefined, 'a name would need a resolver'],
  ['192.0.2.53:0', undefined, 'nobody answers on port 0'],
])('name server %j is %j: %s', (text, server, _why) => {
  expect(parseNameServer(text)).toEqual(server)
})

test.each([
  ['10.0.0.0/8', '10.0.0.0/8', 'a network'],
  ['192.0.2.1', '192.0.2.1/32', 'one address'],
  ['::1', '::1/128', 'one IPv6 address'],
  ['2001:db8::/32', '2001:db8::/32', 'an IPv6 network'],
  ['0.0.0.0/0', undefined, 'everybody: an open relay'],
  ['::/0', undefined, 'everybody on IPv6'],
  ['10.0.0.0/33', undefined, 'longer than the address'],
  ['10.0.0.0/', undefined, 'no length'],
  ['10.0.0.0/8/8', undefined, 'two lengths'],
  ['fe80::1%eth0', undefined, 'a zone has no meaning in a network'],
  ['example.com', undefined, 'a name'],
])('network %j is %j: %s', (text, network, _why) => {
  expect(parseNetwork(text)).toBe(network)
})

test.each([
  ['mail.example.com', 'mail.example.com', 'a name'],
  ['Mail.Example.COM.', 'mail.example.com', 'lower case, no trailing dot'],
  ['box', 'box', 'one label'],
  ['-a.example', undefined, 'hyphen first'],
  ['a..example', undefined, 'empty label'],
  ['a_b.example', undefined, 'underscore'],
  [`${'a'.repeat(64)}.example`, undefined, 'label of 64'],
  ['192.0.2.1', undefined, 'an address is not a name'],
  ['a\r\nb', undefined, 'a line break must not reach EHLO'],
])('host name %j is %j: %s', (text, name, _why) => {
  expect(parseHostname(text)).toBe(name)
})

test.each([
  ['out1.example.com', 'out1.example.com', 'a name'],
  ['[192.0.2.1]', '[192.0.2.1]', 'IPv4 literal'],
  ['[IPv6:2001:db8::1]', '[IPv6:2001:db8::1]', 'IPv6 literal'],
  ['[2001:db8::1]', '[IPv6:2001:db8::1]', 'the tag is added'],
  ['192.0.2.1', undefined, 'a bare address is not allowed after EHLO'],
  ['[example.com]', undefined, 'a name in brackets'],
])('EHLO %j is %j: %s', (text, ehlo, _why) => {
  expect(parseEhlo(text)).toBe(ehlo)
})

test.each([
  ['https://mail.example.com', 'https://mail.example.com', 'an origin'],
  ['https://mail.example.com/', 'https://mail.example.com', 'the slash goes'],
  ['http://127.0.0.1:8080', 'http://127.0.0.1:8080', 'with a port'],
  ['https://mail.example.com/mta', undefined, 'a path'],
  ['https://user@mail.example.com', undefined, 'a user'],
  ['ftp://mail.example.com', undefined, 'another protocol'],
  ['mail.example.com', undefined, 'no protocol'],
])('origin %j is %j: %s', (text, origin, _why) => {
  expect(parseOrigin(text)).toBe(origin)
})

test.each([
  ['redis://127.0.0.1:6379', true, 'host and port'],
  ['rediss://:secret@broker.example/2', true, 'TLS, password, database'],
  ['redis://', false, 'no host'],
  ['redis://host/name', false, 'databases are numbers'],
  ['http://127.0.0.1:6379', false, 'another protocol'],
])('redis url %j is valid: %j, %s', (text, isValid, _why) => {
  expect(parseRedisUrl(text)).toBe(isValid ? text : undefined)
})
