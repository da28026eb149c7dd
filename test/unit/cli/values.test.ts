import { describe, expect, test } from 'vitest'
import { UsageError, type Input } from '../../../server/cli/command.ts'
import { companionRecords, zoneLine } from '../../../server/cli/dns-records.ts'
import { countText, rateText, span, whenText } from '../../../server/cli/time.ts'
import { duration, endpoint, rate, size, wholeNumber } from '../../../server/cli/values.ts'
import { TEST_START } from '../../support/clock.ts'

/** What a command gets when `--o` was given this value. */
const given = (value: string | undefined): Input => ({
  text: () => value,
  texts: () => (value === undefined ? [] : [value]),
  flag: () => value !== undefined,
  argument: () => undefined,
  rest: () => [],
})

describe('values', () => {
  test.each([
    [wholeNumber, '5', 5],
    [duration, '1.5h', 5_400_000],
    [size, '2 KiB', 2048],
    [rate, '600/m', { messages: 600, perMs: 60_000 }],
    [rate, '100/5 m', { messages: 100, perMs: 300_000 }],
    [rate, '1 / d', { messages: 1, perMs: 86_400_000 }],
    [endpoint, 'a.test', { host: 'a.test', port: 25 }],
    [endpoint, '[2001:db8::1]:587', { host: '2001:db8::1', port: 587 }],
  ])('%o reads %s', (parse, text, value) => {
    expect(parse(given(text), 'o')).toEqual(value)
    expect(parse(given(undefined), 'o')).toBeUndefined()
  })

  test.each([
    [wholeNumber, '0'],
    [wholeNumber, '1e3'],
    [wholeNumber, '-1'],
    [wholeNumber, ''],
    [duration, '30'],
    [size, '5'],
    [rate, '0/m'],
    [rate, '600'],
    [rate, '600/0s'],
    [rate, '1.5/s'],
    [rate, '600/minute'],
    [endpoint, 'a.test:0'],
    [endpoint, 'a.test:99999'],
    [endpoint, 'a b'],
  ])('%o refuses "%s" and says what would be right', (parse, text) => {
    expect(() => parse(given(text), 'o')).toThrow(UsageError)
    expect(() => parse(given(text), 'o')).toThrow(`--o "${text}" is not `)
  })
})

describe('times', () => {
  test.each([
    [0, 'now'],
    [999, 'now'],
    [35_000, '35 s'],
    [3_600_000, '1 h'],
    [3_600_000 * 52 + 60_000, '2 d 4 h'],
    [86_400_000 + 60_000, '1 d'],
  ])('%i ms are %s', (ms, text) => {
    expect(span(ms)).toBe(text)
  })

  test.each([
    [TEST_START + 90_000, '2026-01-01 00:01:30 UTC (in 1 m 30 s)'],
    [TEST_START - 60_000, '2025-12-31 23:59:00 UTC (1 m ago)'],
    [TEST_START, '2026-01-01 00:00:00 UTC (now)'],
  ])('%i is %s', (at, text) => {
    expect(whenText(at, TEST_START)).toBe(text)
  })

  test.each(['600/m', '10/s', '5000/h', '100/5 m'])(
    'the rate %s is printed as it is read',
    (text) => {
      expect(rateText(rate(given(text), 'o')!)).toBe(text)
    },
  )

  test.each([
    [0, '0'],
    [999, '999'],
    [1_000, '1,000'],
    [1_234_567, '1,234,567'],
  ])('%i is %s', (count, text) => {
    expect(countText(count)).toBe(text)
  })
})

describe('DNS records', () => {
  test('are split into strings of 255 octets, with quotes escaped', () => {
    const record = { name: 'a.test', type: 'TXT', value: `"${'x'.repeat(254)}yz` } as const
    expect(zoneLine(record)).toBe(`a.test. TXT "\\"${'x'.repeat(254)}" "yz"`)
    expect(zoneLine({ ...record, value: '' })).toBe('a.test. TXT ""')
  })

  test.each([
    [[], undefined, 'a.test', 'v=spf1 a:mta.test ~all'],
    [
      ['192.0.2.1', '2001:db8::1'],
      undefined,
      'a.test',
      'v=spf1 ip4:192.0.2.1 ip6:2001:db8::1 ~all',
    ],
    [[], 'bounce.test', 'bounce.test', 'v=spf1 a:mta.test ~all'],
  ])('SPF of %j with return path %s stands at %s: %s', (ips, returnPathDomain, name, value) => {
    const options = { domain: 'a.test', returnPathDomain, ips, hostname: 'mta.test' }
    expect(companionRecords(options)).toEqual([
      { name, type: 'TXT', value },
      { name: '_dmarc.a.test', type: 'TXT', value: 'v=DMARC1; p=none' },
    ])
  })
})
