import fc from 'fast-check'
import { expect, test } from 'vitest'
import { isNamedMx, parseStsPolicy, parseStsRecords } from '../../../server/protocol/mta-sts.ts'

const RECORDS: readonly [records: string[], id: string | undefined, why: string][] = [
  [['v=STSv1; id=20160831085700Z;'], '20160831085700Z', 'the example of RFC 8461 §3.1'],
  [['v=STSv1;id=1'], '1', 'without spaces'],
  [['v=STSv1 ; id = 1 ; '], '1', 'with spaces wherever they may be'],
  [['v=STSv1; note=x; id=2'], '2', 'an extension before the id'],
  [['v=STSv1; id=2; id=3'], '2', 'two ids: the first'],
  [['v=spf1 -all', 'v=STSv1; id=1'], '1', 'records of others beside it'],
  [[`v=STSv1; id=${'a'.repeat(32)}`], 'a'.repeat(32), 'the longest id'],
  [['v=STSv1; id=1', 'v=STSv1; id=1'], undefined, 'two policies'],
  [[], undefined, 'no record'],
  [['v=spf1 -all'], undefined, 'another record'],
  [['v=STSv1'], undefined, 'no delimiter behind the version'],
  [['v=STSv1;'], undefined, 'no id'],
  [['v=STSv1; ID=1'], undefined, 'keys have a case'],
  [['v=stsv1; id=1'], undefined, 'so has the version'],
  [['id=1; v=STSv1'], undefined, 'the version comes first'],
  [['v=STSv2; id=1'], undefined, 'another version'],
  [['v=STSv1; id='], undefined, 'an empty id'],
  [['v=STSv1; id=1-2'], undefined, 'an id with a hyphen'],
  [[`v=STSv1; id=${'a'.repeat(33)}`], undefined, 'an id that is too long'],
  [['v=STSv1; id=1; nonsense'], undefined, 'a field that is none'],
  [['v=STSv1;; id=1'], undefined, 'an empty field'],
  [['v=STSv1; id=1\n'], undefined, 'a line break'],
]
test.each(RECORDS)('TXT %j announces %s: %s', (records, id) => {
  expect(parseStsRecords(records)).toBe(id)
})

const file = (...lines: string[]): string => lines.map((line) => `${line}\r\n`).join('')
const EXAMPLE = ['version: STSv1', 'mode: enforce', 'mx: mail.example.com', 'max_age: 604800']
const ENFORCE = { mode: 'enforce', mx: ['mail.example.com'], maxAgeMs: 604_800_000 }

test.each([
  [file(...EXAMPLE), ENFORCE, 'CRLF'],
  [EXAMPLE.join('\n'), ENFORCE, 'LF, and none at the end'],
  [file(...[...EXAMPLE].reverse()), ENFORCE, 'another order'],
  [
    file('version:STSv1', 'mode:\tenforce ', 'mx:  Mail.Example.COM', 'max_age:604800 '),
    ENFORCE,
    'spaces and case',
  ],
  [file(...EXAMPLE, 'colour: red', 'x-y.z: a: b'), ENFORCE, 'unknown keys'],
  [file(...EXAMPLE, 'mode: none', 'max_age: 1'), ENFORCE, 'repeated keys: the first'],
  [file(...EXAMPLE, ''), ENFORCE, 'an empty line'],
  [
    file(...EXAMPLE, 'mx: *.example.net'),
    { ...ENFORCE, mx: ['mail.example.com', '*.example.net'] },
    'several mx, one a pattern',
  ],
  [
    file('version: STSv1', 'mode: testing', 'mx: a', 'max_age: 9999999999'),
    { mode: 'testing', mx: ['a'], maxAgeMs: 31_557_600_000 },
    'an age over the limit',
  ],
  [
    file('version: STSv1', 'mode: none', 'max_age: 0'),
    { mode: 'none', mx: [], maxAgeMs: 0 },
    'none',
  ],
])('policy %j is %j: %s', (text, policy) => {
  expect(parseStsPolicy(text)).toEqual(policy)
})

test.each([
  ['', /version/, 'an empty file'],
  ['<html><title>404</title></html>', /key/, 'a page'],
  [file('version: STSv2', ...EXAMPLE.slice(1)), /version/, 'another version'],
  [file(...EXAMPLE.slice(1)), /version/, 'no version'],
  [file(EXAMPLE[0]!, 'mode: Enforce', 'mx: a', 'max_age: 1'), /mode/, 'a mode in another case'],
  [file(EXAMPLE[0]!, 'mx: a', 'max_age: 1'), /mode/, 'no mode'],
  [file(EXAMPLE[0]!, 'mode: enforce', 'mx: a'), /max_age/, 'no max_age'],
  [file(EXAMPLE[0]!, 'mode: enforce', 'mx: a', 'max_age: -1'), /max_age/, 'a negative age'],
  [
    file(EXAMPLE[0]!, 'mode: enforce', 'mx: a', 'max_age: 1e3'),
    /max_age/,
    'an age that is no number',
  ],
  [file(EXAMPLE[0]!, 'mode: enforce', 'max_age: 1'), /no mx/, 'no mx'],
  [file(...EXAMPLE, 'mx: *'), /mx/, 'every host'],
  [file(...EXAMPLE, 'mx: a.*.test'), /mx/, 'a star within'],
  [file(...EXAMPLE, 'mx: a..test'), /mx/, 'an empty label'],
  [file(...EXAMPLE, 'mx:'), /mx/, 'an empty mx'],
  [file(...EXAMPLE, 'mx: ä.test'), /mx/, 'a U-label'],
  [EXAMPLE.join('\r'), /version/, 'bare CR: one line'],
])('%j is no policy (%s): %s', (text, reason) => {
  expect(parseStsPolicy(text)).toMatch(reason)
})

test.each([
  ['mail.example.com', 'mail.example.com', true, 'the name'],
  ['mail.example.com', 'mail.example.org', false, 'another'],
  ['a.example.com', '*.example.com', true, 'one label for the star'],
  ['a.b.example.com', '*.example.com', false, 'two labels'],
  ['example.com', '*.example.com', false, 'none'],
  ['aexample.com', '*.example.com', false, 'half a label'],
  ['.example.com', '*.example.com', false, 'an empty label'],
  ['com', '*.com', false, 'the rest alone'],
  ['a.com', '*.com', true, 'a short rest'],
])('%s under mx: %s is %s (%s)', (host, pattern, expected) => {
  expect(isNamedMx(host, { mode: 'enforce', mx: [pattern], maxAgeMs: 0 })).toBe(expected)
})

test('no text makes either parser throw or stall', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary', maxLength: 2_000 }), (text) => {
      parseStsPolicy(text)
      parseStsPolicy(`version: STSv1\nmx:${text}`)
      parseStsRecords([text, `v=STSv1;${text}`])
    }),
  )
  const started = performance.now()
  parseStsPolicy(`mx:${' \t'.repeat(30_000)}x`)
  parseStsPolicy(`a:${' '.repeat(60_000)}\u2028`)
  parseStsPolicy(`mx:${'a.'.repeat(30_000)}!`)
  parseStsRecords([`v=STSv1;${' \t'.repeat(30_000)}x=y`])
  parseStsRecords([`v=STSv1${' '.repeat(60_000)}`, `v=STSv1; a${' '.repeat(60_000)}b=c`])
  expect(performance.now() - started).toBeLessThan(500)
})
