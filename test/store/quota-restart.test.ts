/** What was counted outlives the program that counted it, and how it ended. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { asId } from '../../server/core/ids.ts'
import type { QuotaCharge } from '../../server/core/quota.ts'
import { aMessage } from '../support/builders.ts'
import { manualClock } from '../support/clock.ts'
import { makeTestStore } from '../support/store.ts'

test('counts, plans and full windows are the same after a restart', async () => {
  const dataDir = mkdtempSync(join(tmpdir(), 'posthorn-quota-'))
  onTestFinished(() => rmSync(dataDir, { recursive: true, force: true }))
  const clock = manualClock()
  const tenant = asId('tenant', 1)
  const limits = { hour: 3, day: 7 }
  const quota: readonly QuotaCharge[] = [{ scope: 'tenant', scopeId: 1, limits, over: 'delay' }]
  const expected: (number | undefined)[] = []
  for (let start = 0; start < 6; start++) {
    const opened = await makeTestStore({ clock, dataDir })
    const to = ['a@ok.test', 'b@ok.test']
    const request = { messages: [aMessage({ tenant, quota, to })], idempotency: undefined }
    const result = await opened.store.writer.accept(request)
    if (result.kind !== 'accepted') throw new Error(result.kind)
    expected.push(...result.messages[0]!.deliveries.map(({ expectedAt }) => expectedAt))
    const { sum } = opened.all<{ sum: number }>(
      "select sum(used) as sum from quota_uses where unit = 'day'",
    )[0]!
    expect(sum).toBe(2 * (start + 1))
    await opened.close()
  }
  const hourOf = (at: number | undefined): number =>
    at === undefined ? 0 : Math.floor((at - clock.now()) / 3_600_000)
  // Three an hour until the seven of the day are used, then the hours of the next day.
  expect(expected.map(hourOf)).toEqual([0, 0, 0, 1, 1, 1, 2, 24, 24, 24, 25, 25])
})
