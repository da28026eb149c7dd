/**
 * Quotas, as the writer must keep them: counted with the mail in one commit, per recipient, never beyond the limit in
 * any window, and not at all for what was not accepted.
 */
import { describe, expect, test } from 'vitest'
import { asId } from '../../server/core/ids.ts'
import type { TenantId } from '../../server/core/ids.ts'
import type { QuotaCharge, QuotaLimits, QuotaOver } from '../../server/core/quota.ts'
import type { AcceptResult, NewMessage } from '../../server/core/work.ts'
import { aMessage } from '../support/builders.ts'
import type { MessageWish } from '../support/builders.ts'
import { TEST_START } from '../support/clock.ts'
import { writerFixture } from './writer.bench.ts'
import type { WriterBench } from './writer.bench.ts'

const HOUR_MS = 3_600_000
const DAY_MS = 24 * HOUR_MS
const TOMORROW = TEST_START + DAY_MS

let last = 100
/** A tenant of its own for each test: nothing of it was counted before. */
const newTenant = (): TenantId => asId('tenant', ++last)
const chargeOf = (
  tenant: TenantId,
  limits: QuotaLimits,
  over: QuotaOver = 'delay',
): QuotaCharge => ({ scope: 'tenant', scopeId: tenant, limits, over })
const people = (count: number): string[] => Array.from({ length: count }, (_, i) => `p${i}@ok.test`)
const mail = (tenant: TenantId, quota: readonly QuotaCharge[], wish: MessageWish = {}) =>
  aMessage({ tenant, quota, ...wish })

function deliveriesOf(result: AcceptResult) {
  if (!('messages' in result)) throw new Error(`The request was ${result.kind}.`)
  return result.messages.flatMap(({ deliveries }) => deliveries)
}
/** How many are expected on which day after the first; `now` for those that do not wait. */
function perDay(result: AcceptResult): Record<string, number> {
  const days: Record<string, number> = {}
  for (const { expectedAt } of deliveriesOf(result)) {
    const day =
      expectedAt === undefined ? 'now' : `+${Math.floor((expectedAt - TEST_START) / DAY_MS)}`
    days[day] = (days[day] ?? 0) + 1
  }
  return days
}

export function quotaCases(open: () => Promise<WriterBench>): void {
  describe('quotas', () => {
    const bench = writerFixture(open)
    const accept = (...messages: NewMessage[]): Promise<AcceptResult> =>
      bench.writer.accept({ messages, idempotency: undefined })
    /** `{'day 2026-01-01': 3}` */
    const used = async (tenant: TenantId): Promise<Record<string, number>> =>
      Object.fromEntries(
        (await bench.quotaUses(tenant)).map(({ scope, unit, start, used: count }) => [
          `${scope} ${unit} ${new Date(start).toISOString().slice(0, 13)}`,
          count,
        ]),
      )

    test('count recipients, in every unit that has a limit', async () => {
      const tenant = newTenant()
      const quota = [chargeOf(tenant, { hour: 10, month: 10 })]
      await accept(mail(tenant, quota, { to: people(3) }))
      await accept(mail(tenant, quota))
      expect(await used(tenant)).toEqual({
        'tenant hour 2026-01-01T00': 4,
        'tenant month 2026-01-01T00': 4,
      })
    })

    test('nothing is counted without a quota', async () => {
      const tenant = newTenant()
      await accept(aMessage({ tenant }))
      expect(await used(tenant)).toEqual({})
    })

    test('what is caught by the sandbox or suppressed is not counted', async () => {
      const tenant = newTenant()
      await bench.suppress(tenant, 'gone@ok.test')
      const quota = [chargeOf(tenant, { day: 2 }, 'refuse')]
      await accept(mail(tenant, quota, { to: people(9), sandbox: true }))
      expect(await used(tenant)).toEqual({})
      const result = await accept(
        mail(tenant, quota, { to: ['a@ok.test', 'gone@ok.test', 'b@ok.test'] }),
      )
      expect(deliveriesOf(result).map(({ state }) => state)).toEqual([
        'queued',
        'suppressed',
        'queued',
      ])
      expect(await used(tenant)).toEqual({ 'tenant day 2026-01-01T00': 2 })
    })

    test('one message to 1,000 with room for 300: the rest waits for the days after', async () => {
      const tenant = newTenant()
      const quota = [chargeOf(tenant, { day: 300 })]
      const message = mail(tenant, quota, { to: people(1_000), expiresAt: TEST_START + 3 * DAY_MS })
      const result = await accept(message)
      expect(perDay(result)).toEqual({ now: 300, '+1': 300, '+2': 300, '+3': 100 })
      expect(await used(tenant)).toMatchObject({
        'tenant day 2026-01-01T00': 300,
        'tenant day 2026-01-04T00': 100,
      })
      const deliveries = deliveriesOf(result)
      const first = await bench.delivery(deliveries[0]!.id)
      expect(first).toMatchObject({ reason: 'accepted', next_at: bench.now() })
      const waiting = await bench.delivery(deliveries[450]!.id)
      expect(waiting).toMatchObject({
        state: 'queued',
        reason: 'quota',
        next_at: deliveries[450]!.expectedAt,
        // It has its three days from when it may be sent.
        expires_at: TEST_START + 3 * DAY_MS + (deliveries[450]!.expectedAt! - bench.now()),
      })
      const moments = deliveries.slice(300, 600).map(({ expectedAt }) => expectedAt!)
      expect(moments[0]).toBe(TOMORROW)
      expect(new Set(moments).size).toBe(300)
      expect(Math.max(...moments)).toBeLessThan(TOMORROW + DAY_MS / 4)
    })

    test('a delivery that waits says for which quota', async () => {
      const tenant = newTenant()
      const login: QuotaCharge = {
        scope: 'credential',
        scopeId: 7,
        limits: { day: 1 },
        over: 'delay',
      }
      const quota = [chargeOf(tenant, { day: 5 }), login]
      const [, second] = deliveriesOf(await accept(mail(tenant, quota, { to: people(2) })))
      const [accepted] = await bench.events(second!.id)
      expect(JSON.parse(accepted!.data!)).toEqual({
        quota: { scope: 'credential', id: 'crd_00000000007', unit: 'day', limit: 1, used: 1 },
      })
    })

    test('each of three quotas counts, and the tightest decides', async () => {
      const tenant = newTenant()
      const quota: QuotaCharge[] = [
        chargeOf(tenant, { day: 100 }),
        { scope: 'credential', scopeId: tenant, limits: { day: 4 }, over: 'delay' },
        { scope: 'domain', scopeId: tenant, limits: { day: 7 }, over: 'delay' },
      ]
      const result = await accept(mail(tenant, quota, { to: people(9) }))
      expect(perDay(result)).toEqual({ now: 4, '+1': 4, '+2': 1 })
      expect(await used(tenant)).toMatchObject({
        'credential day 2026-01-02T00': 4,
        'domain day 2026-01-02T00': 4,
        'tenant day 2026-01-02T00': 4,
      })
    })

    test('scheduled mail counts in the window in which it is to be sent', async () => {
      const tenant = newTenant()
      const quota = [chargeOf(tenant, { day: 1 })]
      const sendAt = TEST_START + 5 * DAY_MS + HOUR_MS
      const wish = { sendAt, expiresAt: sendAt + DAY_MS }
      const [first] = deliveriesOf(await accept(mail(tenant, quota, wish)))
      const [second] = deliveriesOf(await accept(mail(tenant, quota, wish)))
      expect(first!.expectedAt).toBeUndefined()
      expect(await bench.delivery(first!.id)).toMatchObject({
        reason: 'scheduled',
        next_at: sendAt,
      })
      expect(second!.expectedAt).toBe(TEST_START + 6 * DAY_MS)
      expect(await bench.delivery(second!.id)).toMatchObject({
        expires_at: TEST_START + 7 * DAY_MS,
      })
      expect(perDay(await accept(mail(tenant, quota)))).toEqual({ now: 1 })
    })

    test('over a quota that refuses: nothing is kept, nothing is counted, and it says why', async () => {
      const tenant = newTenant()
      const quota = [chargeOf(tenant, { day: 5 }, 'refuse')]
      await accept(mail(tenant, quota, { to: people(3) }))
      const refused = await accept(mail(tenant, quota), mail(tenant, quota, { to: people(2) }))
      expect(refused).toEqual({
        kind: 'over-quota',
        refusal: {
          scope: 'tenant',
          scopeId: tenant,
          unit: 'day',
          limit: 5,
          used: 3,
          wanted: 2,
          resetsAt: TOMORROW,
          isPlannedAhead: false,
        },
      })
      expect(await used(tenant)).toEqual({ 'tenant day 2026-01-01T00': 3 })
      expect(perDay(await accept(mail(tenant, quota, { to: people(2) })))).toEqual({ now: 2 })
    })

    test('messages of one request with different quotas are counted together', async () => {
      const tenant = newTenant()
      const own = chargeOf(tenant, { day: 3 })
      const domain = (scopeId: number): QuotaCharge => ({
        scope: 'domain',
        scopeId,
        limits: { day: 1 },
        over: 'delay',
      })
      const [a, b] = [domain(tenant * 10), domain(tenant * 10 + 1)]
      const batch = [a, b, a, b].map((charge) => mail(tenant, [own, charge]))
      expect(perDay(await accept(...batch))).toEqual({ now: 2, '+1': 2 })
      expect(await used(tenant)).toMatchObject({
        'tenant day 2026-01-01T00': 2,
        'tenant day 2026-01-02T00': 2,
      })
    })

    test('too much for all that may be planned ahead is refused', async () => {
      const tenant = newTenant()
      const quota = [chargeOf(tenant, { day: 1 })]
      const refused = await accept(mail(tenant, quota, { to: people(64) }))
      expect(refused).toMatchObject({
        kind: 'over-quota',
        refusal: { isPlannedAhead: true, used: 0 },
      })
      expect(await used(tenant)).toEqual({})
    })

    test('an idempotency key seen before counts nothing, and tells the same times', async () => {
      const tenant = newTenant()
      const request = {
        messages: [mail(tenant, [chargeOf(tenant, { day: 1 })], { to: people(2) })],
        idempotency: { key: `quota-${tenant}`, fingerprint: 'f' },
      }
      const first = await bench.writer.accept(request)
      const again = await bench.writer.accept(request)
      expect(again.kind).toBe('replayed')
      expect(deliveriesOf(again)).toEqual(deliveriesOf(first))
      expect(deliveriesOf(again)[1]!.expectedAt).toBe(TOMORROW)
      expect(await used(tenant)).toEqual({
        'tenant day 2026-01-01T00': 1,
        'tenant day 2026-01-02T00': 1,
      })
    })

    test('a refused request leaves its idempotency key unused', async () => {
      const tenant = newTenant()
      const idempotency = { key: `refused-${tenant}`, fingerprint: 'f' }
      const quota = [chargeOf(tenant, { day: 1 }, 'refuse')]
      const refused = await bench.writer.accept({
        messages: [mail(tenant, quota, { to: people(2) })],
        idempotency,
      })
      const accepted = await bench.writer.accept({ messages: [mail(tenant, quota)], idempotency })
      expect([refused.kind, accepted.kind]).toEqual(['over-quota', 'accepted'])
    })

    test('callers of one commit never get more than the limit together', async () => {
      const tenant = newTenant()
      const quota = [chargeOf(tenant, { day: 50 }, 'refuse')]
      const results = await Promise.all(
        Array.from({ length: 80 }, () => accept(mail(tenant, quota))),
      )
      expect(results.filter(({ kind }) => kind === 'accepted')).toHaveLength(50)
      expect(await used(tenant)).toEqual({ 'tenant day 2026-01-01T00': 50 })
    })

    test('a commit that has to be done again counts once', async () => {
      const tenant = newTenant()
      const quota = [chargeOf(tenant, { day: 30 })]
      const results = await Promise.allSettled(
        Array.from({ length: 60 }, (_, i) =>
          i % 20 === 10 ? bench.fail() : accept(mail(tenant, quota)),
        ),
      )
      expect(results.filter(({ status }) => status === 'rejected')).toHaveLength(3)
      expect(await used(tenant)).toEqual({
        'tenant day 2026-01-01T00': 30,
        'tenant day 2026-01-02T00': 27,
      })
    })

    test('an operation that fails half-way gives back what it counted', async () => {
      const tenant = newTenant()
      const quota = [chargeOf(tenant, { day: 30 })]
      const broken = mail(tenant, quota, { to: people(5), subject: null as unknown as string })
      const results = await Promise.allSettled([
        accept(mail(tenant, quota)),
        accept(broken),
        accept(mail(tenant, quota)),
      ])
      expect(results.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled'])
      await accept(broken).catch(() => undefined)
      expect(await used(tenant)).toEqual({ 'tenant day 2026-01-01T00': 2 })
    })

    test('the request that comes to 80 % of a window, or to its end, hears of it; no other does', async () => {
      const tenant = newTenant()
      const quota = [chargeOf(tenant, { day: 10 })]
      const levels: (number[] | undefined)[] = []
      for (const count of [7, 1, 1, 1, 3]) {
        const result = await accept(mail(tenant, quota, { to: people(count) }))
        levels.push('marks' in result ? result.marks?.map(({ level }) => level) : undefined)
      }
      expect(levels).toEqual([undefined, [80], undefined, [100], undefined])
    })

    test('cancelling does not give the place back, and making due now asks no quota', async () => {
      const tenant = newTenant()
      const quota = [chargeOf(tenant, { day: 1 })]
      await accept(mail(tenant, quota))
      const cancelled = await accept(mail(tenant, quota))
      const [waiting] = deliveriesOf(await accept(mail(tenant, quota)))
      const before = await used(tenant)
      if (!('messages' in cancelled)) throw new Error(cancelled.kind)
      expect(await bench.writer.cancel(cancelled.messages[0]!.id, bench.now())).toBe(1)
      await bench.writer.retryNow([waiting!.id], bench.now())
      expect(await bench.delivery(waiting!.id)).toMatchObject({
        state: 'queued',
        reason: 'retried-by-operator',
        next_at: bench.now(),
      })
      expect(await used(tenant)).toEqual(before)
      const [later] = deliveriesOf(await accept(mail(tenant, quota)))
      expect(later!.expectedAt).toBe(TOMORROW + 2 * DAY_MS)
    })

    test('a lowered limit moves nothing that has its time, and has room again when it is below', async () => {
      const tenant = newTenant()
      const first = deliveriesOf(
        await accept(mail(tenant, [chargeOf(tenant, { day: 4 })], { to: people(8) })),
      )
      const lowered = [chargeOf(tenant, { day: 2 })]
      expect(perDay(await accept(mail(tenant, lowered, { to: people(3) })))).toEqual({
        '+2': 2,
        '+3': 1,
      })
      for (const { id, expectedAt } of first)
        expect((await bench.delivery(id)).next_at).toBe(expectedAt ?? bench.now())
      const refuses = [chargeOf(tenant, { day: 2 }, 'refuse')]
      expect((await accept(mail(tenant, refuses))).kind).toBe('over-quota')
    })

    test('a batch is counted as a whole or not at all, mixed with others in one commit', async () => {
      const tenant = newTenant()
      const quota = [chargeOf(tenant, { hour: 10, day: 25 }, 'refuse')]
      const batches = Array.from({ length: 6 }, () =>
        accept(...Array.from({ length: 4 }, () => mail(tenant, quota))),
      )
      const kinds = (await Promise.all(batches)).map(({ kind }) => kind)
      expect(kinds.filter((kind) => kind === 'accepted')).toHaveLength(2)
      expect(await used(tenant)).toEqual({
        'tenant day 2026-01-01T00': 8,
        'tenant hour 2026-01-01T00': 8,
      })
    })

    test('a new window has all its room', async () => {
      const tenant = newTenant()
      const quota = [chargeOf(tenant, { hour: 1 }, 'refuse')]
      expect((await accept(mail(tenant, quota))).kind).toBe('accepted')
      expect((await accept(mail(tenant, quota))).kind).toBe('over-quota')
      await bench.clock.advance(HOUR_MS)
      expect((await accept(mail(tenant, quota))).kind).toBe('accepted')
    })
  })
}
