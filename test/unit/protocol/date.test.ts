import { expect, test } from 'vitest'
import { formatMailDate, parseMailDate } from '../../../server/protocol/date.ts'

const at = Date.UTC(2025, 5, 3, 10, 0, 5)

test.each([
  ['Tue, 03 Jun 2025 10:00:05 +0000', at, 'the usual form'],
  ['3 Jun 2025 12:00:05 +0200', at, 'no day name, offset'],
  ['Tue,  3 Jun 2025 03:00:05 PDT (Pacific)', at, 'obsolete zone and comment'],
  ['Tue, 3 Jun 25 10:00:05 GMT', at, 'two-digit year'],
  ['Tue, 03 Jun 2025 10:00 -0000', at - 5000, 'no seconds'],
])('%s', (text, want, _why) => {
  expect(parseMailDate(text)).toBe(want)
})

test.each([
  ['', 'empty'],
  ['2025-06-03T10:00:05Z', 'another format'],
  ['Tue, 31 Feb 2025 10:00:05 +0000', 'no such day'],
  ['Tue, 03 Jun 2025 24:00:05 +0000', 'no such hour'],
  ['Tue, 03 Jun 2025 10:00:05', 'no zone'],
])('refuses %j: %s', (text) => {
  expect(parseMailDate(text)).toBeUndefined()
})

test('what is written is read back', () => {
  expect(formatMailDate(at)).toBe('Tue, 03 Jun 2025 10:00:05 +0000')
  expect(parseMailDate(formatMailDate(at))).toBe(at)
})
