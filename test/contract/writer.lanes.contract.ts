/** Who owns a lane, and what its owner is handed: fenced by a token, transactional first, tenants by turns. */
import { describe, expect, test } from 'vitest'
import { asId } from '../../server/core/ids.ts'
import type { LaneId } from '../../server/core/ids.ts'
import type { LeasedDelivery } from '../../server/core/work.ts'
import { aDeferral, aMessage, aPutBack, aSettlement } from '../support/builders.ts'
import { OWN_MS, refusedWith, writerFixture } from './writer.bench.ts'
import type { WriterBench, WriterFixture } from './writer.bench.ts'

export function laneCases(open: () => Promise<WriterBench>): void {
  ownershipCases(open)
  doubtCases(open)
  leaseCases(open)
  fairnessCases(open)
}

function ownershipCases(open: () => Promise<WriterBench>): void {
  describe('claim', () => {
    const bench = writerFixture(open)

    test('a lane nobody knows', async () => {
      expect(await bench.claim(asId('lane', 999))).toEqual({ kind: 'unknown' })
    })

    test('an owned lane is refused until the ownership is over', async () => {
      const lane = await bench.lane('mx')
      expect((await bench.claim(lane, 'a')).kind).toBe('claimed')
      const until = bench.now() + OWN_MS
      expect(await bench.claim(lane, 'b')).toEqual({ kind: 'owned-by-other', until })
      await bench.clock.advance(OWN_MS)
      expect((await bench.claim(lane, 'b')).kind).toBe('claimed')
    })

    test('a lease extends the ownership', async () => {
      const lane = await bench.lane('mx')
      await bench.claim(lane, 'a')
      await bench.clock.advance(OWN_MS - 1)
      await bench.lease(lane, { token: 'a' })
      await bench.clock.advance(1)
      expect((await bench.claim(lane, 'b')).kind).toBe('owned-by-other')
    })

    test('a released lane is free at once, and keeps its pace for the next owner', async () => {
      const lane = await bench.lane('mx')
      await bench.claim(lane, 'a')
      await bench.lease(lane, { token: 'a', pace: 'slow' })
      expect(await bench.claim(lane, 'a')).toMatchObject({ pace: 'slow' })
      await bench.writer.release(lane, 'a', 'slower')
      expect(await bench.claim(lane, 'b')).toEqual({ kind: 'claimed', pace: 'slower', inDoubt: [] })
    })

    test('who does not own a lane cannot release it', async () => {
      const lane = await bench.lane('mx')
      await bench.claim(lane, 'a')
      await bench.writer.release(lane, 'b', 'stolen')
      expect((await bench.claim(lane, 'b')).kind).toBe('owned-by-other')
      expect(await bench.claim(lane, 'a')).toMatchObject({ pace: '' })
    })

    test('a suspended lane says until when and why', async () => {
      const lane = await bench.lane('mx')
      const until = bench.now() + 60_000
      await bench.suspend(lane, until, 'listed')
      expect(await bench.claim(lane)).toEqual({ kind: 'suspended', until, because: 'listed' })
      await bench.clock.advance(60_000)
      expect((await bench.claim(lane)).kind).toBe('claimed')
    })

    test('a suspension takes the lane from its owner, who may still settle what it holds', async () => {
      const { lane, delivery } = await bench.held()
      await bench.suspend(lane, bench.now() + 60_000, 'listed')
      await refusedWith('LEASE_LOST', bench.lease(lane))
      expect(await bench.writer.settle('worker', [aSettlement(delivery)])).toBe(0)
    })

    test('of many claims at once one succeeds', async () => {
      const lane = await bench.lane('mx')
      const claims = await Promise.all(
        Array.from({ length: 50 }, (_, i) => bench.claim(lane, `worker-${i}`)),
      )
      expect(claims.filter(({ kind }) => kind === 'claimed')).toHaveLength(1)
    })

    test('a second token can neither lease nor settle', async () => {
      const { lane, delivery } = await bench.held()
      await refusedWith('LEASE_LOST', bench.lease(lane, { token: 'other' }))
      expect(await bench.writer.settle('other', [aSettlement(delivery)])).toBe(1)
      expect(await bench.stateOf(delivery.id)).toBe('leased')
      expect(await bench.attempts(delivery.id)).toEqual([])
      expect(await bench.eventsOf(delivery.id)).toEqual(['accepted'])
    })

    test('a refused lease changes nothing of the batch it came in', async () => {
      const { lane } = await bench.held()
      const [refused, accepted] = await Promise.allSettled([
        bench.lease(lane, { token: 'other', pace: 'stolen' }),
        bench.accept(aMessage()),
      ])
      expect([refused.status, accepted.status]).toEqual(['rejected', 'fulfilled'])
      expect(await bench.claim(lane)).toMatchObject({ pace: '' })
    })
  })
}

function doubtCases(open: () => Promise<WriterBench>): void {
  describe('a worker that vanished', () => {
    const bench = writerFixture(open)

    async function abandoned(): Promise<{ lane: LaneId; delivery: LeasedDelivery }> {
      const held = await bench.held()
      await bench.clock.advance(OWN_MS)
      return held
    }

    test('its deliveries are in doubt, once, due again, and their history says so', async () => {
      const { lane, delivery } = await abandoned()
      expect(await bench.claim(lane, 'b')).toMatchObject({ inDoubt: [delivery.id] })
      await bench.writer.recover(lane, 'b', bench.now())
      expect(await bench.delivery(delivery.id)).toMatchObject({
        state: 'deferred',
        reason: 'in-doubt',
        lease: null,
        next_at: bench.now(),
        attempts: 1,
      })
      expect(await bench.attempts(delivery.id)).toMatchObject([
        { number: 1, kind: 'in-doubt', lane_id: lane, ended_at: bench.now() },
      ])
      expect((await bench.events(delivery.id)).map(({ type, data }) => [type, data])).toEqual([
        ['accepted', null],
        ['deferred', '{"inDoubt":true}'],
      ])
      await bench.writer.release(lane, 'b', '')
      expect(await bench.claim(lane, 'c')).toMatchObject({ inDoubt: [] })
    })

    test('an owner that vanishes before it could name them leaves that to the next', async () => {
      const { lane, delivery } = await abandoned()
      await bench.claim(lane, 'b')
      expect(await bench.stateOf(delivery.id)).toBe('leased')
      await bench.clock.advance(OWN_MS)
      expect(await bench.claim(lane, 'c')).toMatchObject({ inDoubt: [delivery.id] })
      await refusedWith('LEASE_LOST', bench.writer.recover(lane, 'b', bench.now()))
    })

    test('the next lease is the second attempt', async () => {
      const { lane, delivery } = await abandoned()
      await bench.claim(lane, 'b')
      await bench.writer.recover(lane, 'b', bench.now())
      const lease = await bench.lease(lane, { token: 'b' })
      expect(lease.deliveries).toMatchObject([{ id: delivery.id, attempt: 2 }])
    })

    test('when it comes back its settlement is refused', async () => {
      const { lane, delivery } = await abandoned()
      await bench.claim(lane, 'b')
      await bench.writer.recover(lane, 'b', bench.now())
      await bench.lease(lane, { token: 'b' })
      expect(await bench.writer.settle('worker', [aSettlement(delivery)])).toBe(1)
      expect(await bench.delivery(delivery.id)).toMatchObject({ state: 'leased', lease: 'b' })
    })

    test('as long as nobody claims, it may still settle', async () => {
      const { delivery } = await abandoned()
      expect(await bench.writer.settle('worker', [aSettlement(delivery)])).toBe(0)
      expect(await bench.stateOf(delivery.id)).toBe('delivered')
    })

    test('what an owner holds is not in doubt when it claims again itself', async () => {
      const { lane, delivery } = await bench.held()
      expect(await bench.claim(lane)).toMatchObject({ kind: 'claimed', inDoubt: [] })
      expect(await bench.stateOf(delivery.id)).toBe('leased')
    })

    test('a lane released with deliveries in hand leaves them in doubt', async () => {
      const { lane, delivery } = await bench.held()
      await bench.writer.release(lane, 'worker', '')
      expect(await bench.claim(lane, 'b')).toMatchObject({ inDoubt: [delivery.id] })
    })
  })
}

function leaseCases(open: () => Promise<WriterBench>): void {
  describe('lease', () => {
    const bench = writerFixture(open)

    test('hands out all that the attempt needs, and records it', async () => {
      const { lane, delivery } = await bench.held({
        stream: 'bulk',
        to: ['a@ok.test', 'b@ok.test'],
        mailFrom: 'bounce@a.test',
        smtpUtf8: true,
        body: { spool: 'x.eml', size: 400_000 },
      })
      expect(delivery).toMatchObject({
        tenant: 1,
        stream: 'bulk',
        recipient: 'a@ok.test',
        domain: 'ok.test',
        mailFrom: 'bounce@a.test',
        headerFrom: 'shop@a.test',
        messageIdHeader: 'order-1@a.test',
        size: 400_000,
        spool: 'x.eml',
        smtpUtf8: true,
        copies: 2,
        attempt: 1,
      })
      expect(await bench.delivery(delivery.id)).toMatchObject({
        state: 'leased',
        lease: 'worker',
        attempts: 1,
        lane_id: lane,
      })
    })

    test.each([
      ['fewer than wait', 3, 3],
      ['none', 0, 0],
      ['more than wait', 50, 8],
    ])('the limit is held: %s', async (_what, limit, expected) => {
      const lane = await bench.lane('mx')
      for (let i = 0; i < 8; i++)
        await bench.acceptOne({ lane, stream: i % 2 ? 'bulk' : 'transactional' })
      await bench.claim(lane)
      const { deliveries, nextDueAt } = await bench.lease(lane, { limit })
      expect(deliveries).toHaveLength(expected)
      expect(nextDueAt === undefined).toBe(expected === 8)
      expect(nextDueAt ?? 0).toBeLessThanOrEqual(bench.now())
    })

    test('nothing is handed out before its time, and the lease says when that is', async () => {
      const lane = await bench.lane('mx')
      await bench.claim(lane)
      expect(await bench.lease(lane)).toEqual({ deliveries: [], nextDueAt: undefined })
      const later = await bench.acceptOne({ lane, sendAt: bench.now() + 9_000 })
      const sooner = await bench.acceptOne({ lane, sendAt: bench.now() + 4_000, stream: 'bulk' })
      expect(await bench.lease(lane)).toEqual({ deliveries: [], nextDueAt: bench.now() + 4_000 })
      await bench.clock.advance(4_000)
      const first = await bench.lease(lane)
      expect(first.deliveries.map(({ id }) => id)).toEqual([sooner])
      expect(first.nextDueAt).toBe(bench.now() + 5_000)
      await bench.clock.advance(5_000)
      expect((await bench.lease(lane)).deliveries.map(({ id }) => id)).toEqual([later])
    })

    test('the earliest due goes first', async () => {
      const lane = await bench.lane('mx')
      const at = [5_000, 1_000, 3_000]
      const ids = []
      for (const ms of at) ids.push(await bench.acceptOne({ lane, sendAt: bench.now() + ms }))
      await bench.clock.advance(6_000)
      await bench.claim(lane)
      const { deliveries } = await bench.lease(lane)
      expect(deliveries.map(({ id }) => id)).toEqual([ids[1], ids[2], ids[0]])
    })

    test('a put-back is no attempt, a refusal is one', async () => {
      const { lane, delivery } = await bench.held()
      await bench.writer.settle('worker', [aPutBack(delivery, bench.now())])
      expect(await bench.delivery(delivery.id)).toMatchObject({ state: 'queued', attempts: 0 })
      const [again] = (await bench.lease(lane)).deliveries
      expect(again).toMatchObject({ id: delivery.id, attempt: 1 })
      await bench.writer.settle('worker', [aDeferral(again!, bench.now() + 1_000)])
      expect(await bench.delivery(delivery.id)).toMatchObject({ state: 'deferred', attempts: 1 })
      expect(await bench.lease(lane)).toMatchObject({ nextDueAt: bench.now() + 1_000 })
      await bench.clock.advance(1_000)
      expect((await bench.lease(lane)).deliveries).toMatchObject([{ attempt: 2 }])
    })

    test('another lane and unrouted deliveries stay where they are', async () => {
      const [lane, other] = [await bench.lane('mx'), await bench.lane('other')]
      await bench.acceptOne({ lane: other })
      await bench.acceptOne({ lane: undefined })
      await bench.claim(lane)
      expect(await bench.lease(lane)).toEqual({ deliveries: [], nextDueAt: undefined })
    })
  })
}

function fairnessCases(open: () => Promise<WriterBench>): void {
  describe('turns', () => {
    const bench = writerFixture(open)

    /** Tenant → how many wait, accepted tenant by tenant. */
    async function crowd(
      fixture: WriterFixture,
      counts: readonly (readonly [tenant: number, count: number, stream?: 'bulk'])[],
    ): Promise<LaneId> {
      const lane = await fixture.lane('mx')
      for (const [tenant, count, stream = 'transactional'] of counts) {
        const message = aMessage({ lane, tenant: asId('tenant', tenant), stream })
        const messages = Array.from({ length: count }, () => message)
        if (count > 0) await fixture.writer.accept({ messages, idempotency: undefined })
      }
      await fixture.claim(lane)
      return lane
    }
    const perTenant = (deliveries: readonly LeasedDelivery[]): Record<string, number> => {
      const counts: Record<string, number> = {}
      for (const { tenant } of deliveries) counts[tenant] = (counts[tenant] ?? 0) + 1
      return counts
    }

    test('transactional goes before bulk, however late it comes', async () => {
      const lane = await crowd(bench, [[1, 300, 'bulk']])
      await bench.acceptOne({ lane })
      const { deliveries } = await bench.lease(lane, { limit: 10 })
      const streams = deliveries.map(({ stream }) => stream)
      expect(streams).toEqual(['transactional', ...Array<string>(9).fill('bulk')])
    })

    test("thousands of one tenant do not keep another's ten waiting", async () => {
      const lane = await crowd(bench, [
        [1, 4_000],
        [2, 10],
      ])
      const { deliveries } = await bench.lease(lane, { limit: 20 })
      expect(perTenant(deliveries)).toEqual({ 1: 10, 2: 10 })
    })

    test('what one tenant leaves of its share goes to the others', async () => {
      const lane = await crowd(bench, [
        [1, 500],
        [2, 3],
        [3, 500],
      ])
      const { deliveries } = await bench.lease(lane, { limit: 99 })
      expect(perTenant(deliveries)).toEqual({ 1: 48, 2: 3, 3: 48 })
    })

    test('with fewer places than tenants, each comes round in turn', async () => {
      const lane = await crowd(
        bench,
        [1, 2, 3, 4, 5].map((tenant) => [tenant, 10]),
      )
      const served: number[] = []
      for (let i = 0; i < 5; i++) {
        const { deliveries } = await bench.lease(lane, { limit: 2 })
        served.push(...deliveries.map(({ tenant }) => tenant))
      }
      expect(served).toEqual([1, 2, 3, 4, 5, 1, 2, 3, 4, 5])
    })

    test('many tenants that wait for later hide nobody who is due, nor the other stream', async () => {
      const lane = await bench.lane('mx')
      const sendAt = bench.now() + 60_000
      const later = Array.from({ length: 400 }, (_, i) =>
        aMessage({ lane, tenant: asId('tenant', i + 1), sendAt }),
      )
      await bench.writer.accept({ messages: later, idempotency: undefined })
      const due = await bench.acceptOne({ lane, tenant: asId('tenant', 500) })
      const bulk = await bench.acceptOne({ lane, tenant: asId('tenant', 7), stream: 'bulk' })
      await bench.claim(lane)
      const { deliveries, nextDueAt } = await bench.lease(lane)
      expect(deliveries.map(({ id }) => id)).toEqual([due, bulk])
      expect(nextDueAt).toBe(sendAt)
    })

    test('more due tenants than places are all served in a few leases', async () => {
      const lane = await crowd(
        bench,
        Array.from({ length: 700 }, (_, i) => [i + 1, 1]),
      )
      const served = new Set<number>()
      for (let i = 0; i < 7; i++) {
        const { deliveries } = await bench.lease(lane, { limit: 100 })
        expect(deliveries).toHaveLength(100)
        for (const { tenant } of deliveries) served.add(tenant)
      }
      expect(served.size).toBe(700)
      expect(await bench.lease(lane)).toEqual({ deliveries: [], nextDueAt: undefined })
    })
  })
}
