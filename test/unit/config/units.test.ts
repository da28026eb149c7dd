import { describe, expect, test } from 'vitest'
import { parseDuration, parseSchedule, parseSize } from '../../../server/config/units.ts'

test.each([
  ['0 s', 0, 'zero is a duration'],
  ['250 ms', 250, 'milliseconds'],
  ['30 s', 30_000, 'seconds'],
  ['30s', 30_000, 'the space may be missing'],
  ['5 m', 300_000, 'm is minutes, not months'],
  ['1.5 h', 5_400_000, 'fractions'],
  ['3 D', 259_200_000, 'case does not matter'],
  [' 1 s ', 1000, 'space around it'],
  ['30', undefined, 'no unit'],
  ['', undefined, 'empty'],
  ['-1 s', undefined, 'negative'],
  ['1  s', undefined, 'two spaces'],
  ['1 s 2 ms', undefined, 'one quantity only'],
  ['1 y', undefined, 'no such unit'],
  ['1 toString', undefined, 'a name of the prototype is no unit'],
  ['999999999999 d', undefined, 'beyond exact integers'],
])('duration %j is %j: %s', (text, ms, _why) => {
  expect(parseDuration(text)).toBe(ms)
})

test.each([
  ['0 B', 0, 'zero'],
  ['512 B', 512, 'bytes'],
  ['256 KiB', 262_144, 'binary multiples'],
  ['25 mib', 26_214_400, 'case does not matter'],
  ['0.5 GiB', 536_870_912, 'fractions'],
  ['1 MB', undefined, 'decimal units would leave room for doubt'],
  ['1 K', undefined, 'no such unit'],
  ['1024', undefined, 'no unit'],
  ['5 m', undefined, 'a duration is not a size'],
])('size %j is %j: %s', (text, bytes, _why) => {
  expect(parseSize(text)).toBe(bytes)
})

describe('a retry schedule', () => {
  test.each([
    ['1m', [60_000], 'one wait'],
    ['1m, 5m*2, 1h', [60_000, 300_000, 300_000, 3_600_000], 'repeated waits'],
    ['1 m,5 m * 2', [60_000, 300_000, 300_000], 'spaces do not matter'],
    ['', undefined, 'empty'],
    ['1m,', undefined, 'an empty entry'],
    ['0s', undefined, 'a wait of zero would retry without end'],
    ['999 ms', undefined, 'under a second hammers a host'],
    ['8 d', undefined, 'over a week is a typing error'],
    ['5m*0', undefined, 'no times'],
    ['5m*2*2', undefined, 'two factors'],
    ['5m*x', undefined, 'no number'],
    ['5*2', undefined, 'no unit'],
    ['1m*999', undefined, 'more entries than make sense'],
  ])('%j is %j: %s', (text, waits, _why) => {
    expect(parseSchedule(text)).toEqual(waits)
  })
})
