/** Quotas that fill up are told once per window and level, and counted. */
import { expect, test } from 'vitest'
import { asId } from '../../../server/core/ids.ts'
import type { QuotaMark, QuotaRefusal } from '../../../server/core/quota.ts'
import type { AcceptResult } from '../../../server/core/work.ts'
import { makeQuotaWatch } from '../../../server/services/quota-watch.ts'
import { recordingLog } from '../../support/log.ts'

const HOUR = 3_600_000
const mark = (level: 80 | 100, more: Partial<QuotaMark> = {}): QuotaMark => ({
  scope: 'tenant',
  scopeId: 1,
  unit: 'hour',
  limit: 10,
  used: level / 10,
  resetsAt: HOUR,
  level,
  ...more,
})
const accepted = (...marks: QuotaMark[]): AcceptResult => ({
  kind: 'accepted',
  messages: [],
  marks,
})
const refused = (resetsAt = HOUR): AcceptResult => {
  const refusal: QuotaRefusal = { ...mark(100, { resetsAt }), wanted: 1, isPlannedAhead: false }
  return { kind: 'over-quota', refusal }
}

test('each level of each window is told once', () => {
  const log = recordingLog()
  const watch = makeQuotaWatch(log)
  watch.note(accepted(mark(80)))
  watch.note(accepted(mark(80), mark(100)))
  watch.note(refused())
  watch.note(refused())
  watch.note(accepted(mark(80, { scope: 'domain' })))
  watch.note(accepted(mark(80, { resetsAt: 2 * HOUR })))
  watch.note(refused(2 * HOUR))
  expect(watch.counts).toEqual({ nearlyUsed: 3, usedUp: 2, refused: 3, delayed: 0 })
  expect(
    log.lines.map(({ message, fields }) => [message, fields['id'], fields['resetsAt']]),
  ).toEqual([
    ['a quota is nearly used up', 'ten_00000000001', HOUR],
    ['a quota is used up', 'ten_00000000001', HOUR],
    ['a quota is nearly used up', 'dom_00000000001', HOUR],
    ['a quota is nearly used up', 'ten_00000000001', 2 * HOUR],
    ['a quota is used up', 'ten_00000000001', 2 * HOUR],
  ])
})

test('a request that is too large for what is left is told, but uses nothing up', () => {
  const log = recordingLog()
  const watch = makeQuotaWatch(log)
  const refusal = { ...mark(80), wanted: 3, isPlannedAhead: false }
  for (let i = 0; i < 2; i++) watch.note({ kind: 'over-quota', refusal })
  expect(watch.counts).toEqual({ nearlyUsed: 0, usedUp: 0, refused: 2, delayed: 0 })
  expect(log.lines.map(({ message }) => message)).toEqual([
    'a quota had too little room for a request',
  ])
})

test('deliveries that wait are counted, when they are accepted and not when they are told again', () => {
  const watch = makeQuotaWatch(recordingLog())
  const delivery = {
    id: asId('delivery', 1),
    to: 'a@ok.test',
    state: 'queued',
    lane: undefined,
  } as const
  const messages = [
    { id: asId('message', 1), deliveries: [delivery, { ...delivery, expectedAt: HOUR }] },
  ]
  watch.note({ kind: 'accepted', messages })
  watch.note({ kind: 'replayed', messages })
  watch.note({ kind: 'key-reused' })
  expect(watch.counts).toEqual({ nearlyUsed: 0, usedUp: 0, refused: 0, delayed: 1 })
})
