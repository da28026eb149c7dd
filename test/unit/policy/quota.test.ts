/** What people read about quotas, word for word. */
import { expect, test } from 'vitest'
import type { QuotaRefusal } from '../../../server/core/quota.ts'
import { quotaName, refusalText, waitText } from '../../../server/policy/quota.ts'

test.each([
  ['tenant', 'day', 'acme', 'the daily quota of tenant acme'],
  ['credential', 'hour', 'shop', 'the hourly quota of login shop'],
  ['domain', 'month', 'a.test', 'the monthly quota of domain a.test'],
] as const)('%s per %s', (scope, unit, name, expected) => {
  expect(quotaName({ scope, unit }, name)).toBe(expected)
})

test('what waits', () => {
  const quota = { scope: 'tenant', unit: 'day', limit: 10_000, used: 10_000 } as const
  expect(waitText(quota, 'acme', Date.UTC(2026, 0, 2))).toBe(
    'waits for the daily quota of tenant acme: 10,000 of 10,000 used, next at 2026-01-02 00:00 UTC',
  )
})

const refusal: QuotaRefusal = {
  scope: 'credential',
  scopeId: 7,
  unit: 'hour',
  limit: 1_000,
  used: 1_000,
  wanted: 1,
  resetsAt: Date.UTC(2026, 0, 1, 13),
  isPlannedAhead: false,
}
test.each<[string, Partial<QuotaRefusal>, string]>([
  [
    'used up',
    {},
    'The hourly quota of login shop is used up: 1,000 of 1,000 used, until 2026-01-01 13:00 UTC.',
  ],
  [
    'used beyond a limit that was lowered',
    { used: 1_500 },
    'The hourly quota of login shop is used up: 1,500 of 1,000 used, until 2026-01-01 13:00 UTC.',
  ],
  [
    'room, but not enough',
    { used: 995, wanted: 10 },
    'The hourly quota of login shop has no room for 10 more: 995 of 1,000 used, until 2026-01-01 13:00 UTC.',
  ],
  [
    'more than fits in any window',
    { used: 0, wanted: 2_000 },
    'The hourly quota of login shop is 1,000; a message to 2,000 recipients never fits.',
  ],
  [
    'exactly a window, which is not empty',
    { used: 1, wanted: 1_000 },
    'The hourly quota of login shop has no room for 1,000 more: 1 of 1,000 used, until 2026-01-01 13:00 UTC.',
  ],
  [
    'nothing left to plan',
    { isPlannedAhead: true },
    'The hourly quota of login shop is used up, and so is all that may be planned ahead; try again after 2026-01-01 13:00 UTC.',
  ],
])('refused: %s', (_why, more, expected) => {
  expect(refusalText({ ...refusal, ...more }, 'shop')).toBe(expected)
})
