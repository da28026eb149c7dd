import { describe, expect, test } from 'vitest'
import { AppError } from '../../../server/core/errors.ts'
import { parseSchedule, waitAfter } from '../../../server/policy/schedule.ts'

const S = 1_000
const M = 60 * S
const H = 60 * M

test.each([
  ['5m', [5 * M], 'one step'],
  ['5m, 10m*2, 1h*3', [5 * M, 10 * M, 10 * M, H, H, H], 'counts'],
  ['30s,1d', [30 * S, 24 * H], 'seconds and days, no blanks'],
  ['  1h * 2  ', [H, H], 'blanks around everything'],
])('%s is read: %s', (text, expected) => {
  expect(parseSchedule(text)).toEqual(expected)
})

describe('a bad schedule is refused in words', () => {
  test.each([
    ['', 'step 1 is ""', 'empty'],
    ['5m,', 'step 2 is ""', 'a comma too many'],
    ['5', 'step 1 is "5"', 'no unit'],
    ['5m, 10x', 'step 2 is "10x"', 'unknown unit'],
    ['5m*', 'step 1 is "5m*"', 'no count'],
    ['-5m', 'step 1 is "-5m"', 'negative'],
    ['1.5h', 'step 1 is "1.5h"', 'fractions'],
    ['5m, 0s', 'step 2 waits no time at all', 'would hammer the host'],
    ['5m*0', 'step 1 is repeated zero times', 'a step that is none'],
    ['8d', 'step 1 waits longer than 7d', 'longer than any mail lives'],
    ['1s*999, 1s*999', 'more than 1000 steps', 'too long'],
  ])('%j: %s (%s)', (text, problem) => {
    expect(() => parseSchedule(text)).toThrow(AppError)
    expect(() => parseSchedule(text)).toThrow(problem)
  })
})

test.each([
  [1, M, 'the first failure waits the first step'],
  [2, H, 'the second the second'],
  [50, H, 'the last step goes on for ever'],
  [0, M, 'an attempt that was not counted waits like the first'],
])('after %d attempts the wait is %d: %s', (attempts, wait) => {
  expect(waitAfter(parseSchedule('1m, 1h'), attempts)).toBe(wait)
})
