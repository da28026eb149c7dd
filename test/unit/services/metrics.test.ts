/** What is counted elsewhere comes out of the metrics as it is, however often somebody asks. */
import { expect, test } from 'vitest'
import { makeMetrics } from '../../../server/services/metrics.ts'
import { newSubmissionCounters } from '../../../server/smtp/submission.ts'

test('quotas are counters', async () => {
  const metrics = makeMetrics()
  const quotas = { nearlyUsed: 3, usedUp: 2, delayed: 700, refused: 5 }
  metrics.observe({
    writer: () => ({ waiting: 0, batches: 0, ops: 0 }),
    lanesAtWork: () => 0,
    smtpSessions: () => 0,
    freeDiskBytes: () => 0,
    submission: () => newSubmissionCounters(),
    quotas: () => quotas,
    backups: () => ({ made: 0, failed: 0, damaged: 0, deleted: 0, lastBytes: 0, lastGoodAt: 0 }),
  })
  const told = async (): Promise<string[]> =>
    (await metrics.text()).split('\n').filter((line) => /^(# TYPE )?posthorn_quota_/.test(line))
  const lines = [
    '# TYPE posthorn_quota_nearly_used_total counter',
    'posthorn_quota_nearly_used_total 3',
    '# TYPE posthorn_quota_used_up_total counter',
    'posthorn_quota_used_up_total 2',
    '# TYPE posthorn_quota_delayed_total counter',
    'posthorn_quota_delayed_total 700',
    '# TYPE posthorn_quota_refused_total counter',
    'posthorn_quota_refused_total 5',
  ]
  expect(await told()).toEqual(lines)
  expect(await told()).toEqual(lines)
  quotas.refused++
  expect((await told()).at(-1)).toBe('posthorn_quota_refused_total 6')
})
