/** Networks of clients, and what counts as one client. */
import { describe, expect, test } from 'vitest'
import { clientKey, isLoopback, networkTest, plainAddress } from '../../../server/core/network.ts'

describe('a network', () => {
  const cases: [network: string, address: string, isIn: boolean, why: string][] = [
    ['192.0.2.0/24', '192.0.2.255', true, 'inside'],
    ['192.0.2.0/24', '192.0.3.0', false, 'next door'],
    ['192.0.2.7', '192.0.2.7', true, 'a single address'],
    ['192.0.2.7', '192.0.2.8', false, 'another one'],
    ['192.0.2.0/24', '::ffff:192.0.2.1', true, 'as a dual-stack socket tells it'],
    ['::ffff:192.0.2.0/24', '192.0.2.1', true, 'the network in that form'],
    ['2001:db8::/32', '2001:DB8:1::1', true, 'IPv6, upper case'],
    ['2001:db8::/32', '2001:db9::1', false, 'IPv6 next door'],
    ['fe80::/10', 'fe80::1%eth0', true, 'with a zone'],
    ['0.0.0.0/0', '203.0.113.9', true, 'everybody on IPv4'],
    ['0.0.0.0/0', '2001:db8::1', false, 'but not on IPv6'],
    ['192.0.2.0/24', '', false, 'no address at all'],
    ['192.0.2.0/24', 'x', false, 'no address at all'],
  ]
  test.each(cases)('%s holds %j: %s (%s)', (network, address, isIn) => {
    expect(networkTest([network])(address)).toBe(isIn)
  })
  const wrong = ['', 'x', '192.0.2.0/33', '2001:db8::/129', '192.0.2.0/', '192.0.2.0/-1', '1.2.3/8']
  test.each(wrong)('%j is none', (network) => {
    expect(() => networkTest([network])).toThrow('is not an address or a network')
  })
})

test.each([
  ['127.0.0.1', true],
  ['127.9.9.9', true],
  ['::1', true],
  ['::ffff:127.0.0.1', true],
  ['128.0.0.1', false],
  ['127.example.com', false],
  ['::2', false],
])('loopback %s: %s', (address, expected) => {
  expect(isLoopback(address)).toBe(expected)
})

test.each([
  ['192.0.2.1', '192.0.2.1', 'IPv4 stands for itself'],
  ['::ffff:192.0.2.1', '192.0.2.1', 'also in disguise'],
  ['2001:db8::1', '2001:db8:0:0', 'IPv6 by its /64'],
  ['2001:db8:0:0:5::1', '2001:db8:0:0', 'whatever the host part is'],
  ['2001:0db8:0001:0002:0003:0004:0005:0006', '2001:db8:1:2', 'leading zeros'],
  ['2001:db8:1:2::', '2001:db8:1:2', 'zeros at the end'],
  ['::1', '0:0:0:0', 'zeros at the start'],
  ['64:ff9b::192.0.2.1', '64:ff9b:0:0', 'an embedded IPv4 address'],
  ['fe80::1%eth0', 'fe80:0:0:0', 'a zone'],
])('%s counts as %s: %s', (address, key) => {
  expect(clientKey(address)).toBe(key)
  expect(clientKey(plainAddress(address))).toBe(key)
})
