import { describe, expect, test } from 'vitest'
import type { Provider } from '../../../server/core/provider.ts'
import { providerOf, siteOf } from '../../../server/delivery/site.ts'

describe('site', () => {
  test.each([
    [['mx1.a.test'], 'mx1.a.test', 'one host'],
    [['mx2.a.test', 'mx1.a.test'], 'mx1.a.test,mx2.a.test', 'the order does not matter'],
    [['MX1.a.test', 'mx1.A.test'], 'mx1.a.test', 'neither does case, nor repetition'],
  ])('%j → %s: %s', (names, expected) => {
    expect(siteOf(names)).toBe(expected)
  })

  test('many hosts make a short key that is still one of its own', () => {
    const names = Array.from({ length: 20 }, (_, i) => `mail-exchanger-${i}.a.test`)
    const key = siteOf(names)
    expect(key).toMatch(/^mail-exchanger-0\.a\.test\+19#[0-9a-f]{32}$/)
    expect(siteOf([...names].reverse())).toBe(key)
    expect(siteOf([...names.slice(0, 19), 'other.a.test'])).not.toBe(key)
  })

  test('one very long name is shortened, too', () => {
    expect(siteOf([`${'a'.repeat(60)}.`.repeat(4) + 'test']).length).toBeLessThanOrEqual(200)
  })
})

describe('provider', () => {
  const provider = (name: string, rules: Partial<Provider>): Provider => ({
    name,
    title: name,
    mxSuffixes: [],
    mxHosts: [],
    domains: [],
    limits: {},
    source: 'test',
    since: '2026-09-01',
    ...rules,
  })
  const providers = [
    provider('big', { mxSuffixes: ['big.test', 'bigmail.test'], mxHosts: ['odd.host.test'] }),
    provider('other', { mxSuffixes: ['other.test'] }),
    provider('own', { domains: ['own.test'] }),
    provider('late', { mxSuffixes: ['a.big.test'] }),
  ]

  test.each<[string[], string, string | undefined, string]>([
    [['mx.big.test'], 'a.test', 'big', 'below a suffix'],
    [['mx.eu.big.test'], 'a.test', 'big', 'far below a suffix'],
    [['big.test'], 'a.test', 'big', 'the suffix itself'],
    [['mx.big.test', 'mx.bigmail.test'], 'a.test', 'big', 'different suffixes of one provider'],
    [['mx.big.test', 'odd.host.test'], 'a.test', 'big', 'a suffix and a host of one provider'],
    [['notbig.test'], 'a.test', undefined, 'not on a label boundary'],
    [['mx.big.test.evil.test'], 'a.test', undefined, 'a suffix in the middle'],
    [['x.odd.host.test'], 'a.test', undefined, 'a host is complete'],
    [['mx.big.test', 'mx.a.test'], 'a.test', undefined, 'not every host'],
    [['mx.big.test', 'mx.other.test'], 'a.test', undefined, 'two providers'],
    [['mx.a.test'], 'own.test', 'own', 'by domain'],
    [['mx.big.test'], 'own.test', 'own', 'the domain comes before the hosts'],
    [[], 'own.test', 'own', 'by domain, without DNS'],
    [['mx.a.test'], 'sub.own.test', undefined, 'a domain is complete'],
    [['mx.a.big.test'], 'a.test', 'big', 'the first that matches'],
    [[], 'a.test', undefined, 'no host is not every host'],
  ])('%j of %s → %s: %s', (names, domain, expected) => {
    expect(providerOf(names, domain, providers)?.name).toBe(expected)
  })
})
