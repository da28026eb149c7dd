/** How deliveries end or wait again: attempt, state and event together, and only along the table of moves. */
import { describe, expect, test } from 'vitest'
import { DELIVERY_STATES, NEXT_STATES } from '../../server/core/delivery.ts'
import type { DeliveryState } from '../../server/core/delivery.ts'
import { asId } from '../../server/core/ids.ts'
import type { DeliveryId } from '../../server/core/ids.ts'
import type { Settlement } from '../../server/core/work.ts'
import { aDeferral, aMessage, aSettlement, anOutcome, aVerdict } from '../support/builders.ts'
import { OWN_MS, writerFixture } from './writer.bench.ts'
import type { WriterBench, WriterFixture } from './writer.bench.ts'

const DAY_MS = 86_400_000

export function settleCases(open: () => Promise<WriterBench>): void {
  settlementCases(open)
  moveCases(open)
  routerCases(open)
  cancelCases(open)
  retryCases(open)
}

function settlementCases(open: () => Promise<WriterBench>): void {
  describe('settle', () => {
    const bench = writerFixture(open)

    test('writes state, attempt and event together', async () => {
      const { lane, delivery } = await bench.held()
      await bench.clock.advance(500)
      expect(await bench.writer.settle('worker', [aSettlement(delivery)])).toBe(0)
      expect(await bench.delivery(delivery.id)).toMatchObject({
        state: 'delivered',
        reason: 'remote-accepted',
        lease: null,
        attempts: 1,
        code: 250,
        category: 'delivered',
        changed_at: bench.now(),
      })
      const outcome = anOutcome()
      expect(await bench.attempts(delivery.id)).toEqual([
        {
          delivery_id: delivery.id,
          number: 1,
          started_at: outcome.startedAt,
          ended_at: outcome.endedAt,
          kind: 'accepted',
          stage: 'body',
          code: 250,
          enhanced: '2.0.0',
          reply: 'queued as 4XyZ',
          fault: null,
          detail: null,
          host: 'mx1.ok.test',
          ip: '192.0.2.25',
          source_ip: '192.0.2.1',
          lane_id: lane,
          tls: JSON.stringify(outcome.tls),
          category: 'delivered',
          scope: 'recipient',
          permanence: 'final',
          action: 'complete',
          rule: 'accepted',
          transcript: outcome.transcript,
        },
      ])
      const [, event] = await bench.events(delivery.id)
      expect(event).toMatchObject({ type: 'delivered', attempt: 1, message_id: delivery.message })
    })

    test('a failure without a reply keeps fault and our words', async () => {
      const { delivery } = await bench.held()
      const outcome = anOutcome({
        kind: 'failed',
        stage: 'connect',
        reply: undefined,
        fault: 'connect-refused',
        detail: 'port 25 is closed',
        tls: undefined,
      })
      const settlement = aDeferral(delivery, bench.now() + 1, { outcome })
      await bench.writer.settle('worker', [settlement])
      expect(await bench.attempts(delivery.id)).toMatchObject([
        {
          kind: 'failed',
          fault: 'connect-refused',
          detail: 'port 25 is closed',
          code: null,
          tls: null,
        },
      ])
    })

    test('nothing tried writes no attempt, and what was known of the last one stays', async () => {
      const { lane, delivery } = await bench.held()
      await bench.writer.settle('worker', [aDeferral(delivery, bench.now())])
      const [again] = (await bench.lease(lane)).deliveries
      const expired = aSettlement(again!, {
        to: 'expired',
        reason: 'max-age',
        outcome: undefined,
        verdict: undefined,
        event: 'expired',
      })
      await bench.writer.settle('worker', [expired])
      expect(await bench.delivery(delivery.id)).toMatchObject({
        state: 'expired',
        attempts: 1,
        code: 451,
        category: 'greylisted',
      })
      expect(await bench.attempts(delivery.id)).toHaveLength(1)
      expect(await bench.eventsOf(delivery.id)).toEqual(['accepted', 'deferred', 'expired'])
    })

    test('settling twice is refused and repeats nothing', async () => {
      const { delivery } = await bench.held()
      await bench.writer.settle('worker', [aSettlement(delivery)])
      expect(await bench.writer.settle('worker', [aSettlement(delivery)])).toBe(1)
      expect(await bench.eventsOf(delivery.id)).toEqual(['accepted', 'delivered'])
    })

    test('what is refused does not hold back the rest', async () => {
      const lost = await bench.held()
      await bench.clock.advance(OWN_MS)
      await bench.claim(lost.lane, 'other')
      await bench.writer.recover(lost.lane, 'other', bench.now())
      const kept = await bench.held()
      const both = [aSettlement(lost.delivery), aSettlement(kept.delivery)]
      expect(await bench.writer.settle('worker', both)).toBe(1)
      expect(await bench.stateOf(kept.delivery.id)).toBe('delivered')
    })

    test('unroute gives it back to the router', async () => {
      const { lane, delivery } = await bench.held()
      const settlement = aDeferral(delivery, bench.now(), { reason: 'rerouted', unroute: true })
      await bench.writer.settle('worker', [settlement])
      expect(await bench.delivery(delivery.id)).toMatchObject({ state: 'deferred', lane_id: null })
      expect((await bench.lease(lane)).deliveries).toEqual([])
    })
  })
}

function moveCases(open: () => Promise<WriterBench>): void {
  describe('a move outside the table is refused', () => {
    const bench = writerFixture(open)

    test.each(DELIVERY_STATES)('leased → %s', async (to) => {
      const { delivery } = await bench.held()
      const isAllowed = NEXT_STATES.leased.includes(to)
      const settlement = aSettlement(delivery, { to, nextAt: bench.now() })
      expect(await bench.writer.settle('worker', [settlement])).toBe(isAllowed ? 0 : 1)
      expect(await bench.stateOf(delivery.id)).toBe(isAllowed ? to : 'leased')
      expect(await bench.attempts(delivery.id)).toHaveLength(isAllowed ? 1 : 0)
    })

    test.each(DELIVERY_STATES)('without a lease, queued → %s', async (to) => {
      const message = await bench.accept(aMessage())
      // The router's try may leave it where it is; a lease is not its to take.
      const isAllowed = to !== 'leased' && (to === 'queued' || NEXT_STATES.queued.includes(to))
      const settlement = routed(bench, message, { to })
      expect(await bench.writer.settle(undefined, [settlement])).toBe(isAllowed ? 0 : 1)
      expect(await bench.stateOf(settlement.delivery)).toBe(isAllowed ? to : 'queued')
    })
  })
}

const routed = (
  bench: WriterFixture,
  message: Awaited<ReturnType<WriterFixture['accept']>>,
  more: Partial<Settlement> = {},
): Settlement => {
  const held = {
    id: message.deliveries[0]!,
    message: message.id,
    tenant: asId('tenant', 1),
    attempt: 1,
  }
  return aDeferral(held, bench.now() + 60_000, more)
}

function routerCases(open: () => Promise<WriterBench>): void {
  describe('unrouted deliveries', () => {
    const bench = writerFixture(open)

    test('are settled without a token, again and again', async () => {
      const message = await bench.accept(aMessage())
      const first = routed(bench, message)
      expect(await bench.writer.settle(undefined, [first])).toBe(0)
      expect(await bench.writer.settle(undefined, [{ ...first, attempt: 2 }])).toBe(0)
      expect(await bench.delivery(first.delivery)).toMatchObject({ state: 'deferred', attempts: 2 })
      expect(await bench.attempts(first.delivery)).toMatchObject([{ number: 1 }, { number: 2 }])
    })

    test.each([
      [
        'waits in a lane',
        async () => await bench.accept(aMessage({ lane: await bench.lane('mx') })),
      ],
      [
        'was cancelled',
        async () => {
          const message = await bench.accept(aMessage())
          await bench.writer.cancel(message.id, bench.now())
          return message
        },
      ],
    ])('one that %s is not touched without a token', async (_what, prepare) => {
      const message = await prepare()
      const before = await bench.delivery(message.deliveries[0]!)
      expect(await bench.writer.settle(undefined, [routed(bench, message)])).toBe(1)
      expect(await bench.delivery(message.deliveries[0]!)).toEqual(before)
    })

    test('one that a worker holds is not touched without a token', async () => {
      const { delivery } = await bench.held()
      expect(await bench.writer.settle(undefined, [aSettlement(delivery)])).toBe(1)
      expect(await bench.stateOf(delivery.id)).toBe('leased')
    })

    test('are given their lane once', async () => {
      const [first, second] = [await bench.lane('first'), await bench.lane('second')]
      const delivery = await bench.acceptOne({})
      await bench.writer.assign([{ delivery, lane: first }])
      await bench.writer.assign([{ delivery, lane: second }])
      expect((await bench.delivery(delivery)).lane_id).toBe(first)
      await bench.claim(first)
      expect((await bench.lease(first)).deliveries).toMatchObject([{ id: delivery }])
    })

    test('are given no lane when they have ended', async () => {
      const message = await bench.accept(aMessage())
      await bench.writer.cancel(message.id, bench.now())
      const delivery = message.deliveries[0]!
      await bench.writer.assign([{ delivery, lane: await bench.lane('mx') }])
      expect(await bench.delivery(delivery)).toMatchObject({ state: 'cancelled', lane_id: null })
    })
  })
}

/** A delivery brought into a state by the moves that lead there. */
async function inState(bench: WriterFixture, state: DeliveryState): Promise<DeliveryId> {
  if (state === 'queued') return bench.acceptOne({})
  if (state === 'held' || state === 'cancelled') {
    const message = await bench.accept(aMessage())
    if (state === 'cancelled') await bench.writer.cancel(message.id, bench.now())
    else await bench.writer.settle(undefined, [routed(bench, message, { to: 'held' })])
    return message.deliveries[0]!
  }
  const { delivery } = await bench.held()
  const nextAt = bench.now() + 60_000
  if (state !== 'leased')
    await bench.writer.settle('worker', [
      aSettlement(delivery, { to: state, nextAt, verdict: aVerdict(), event: undefined }),
    ])
  return delivery.id
}

function cancelCases(open: () => Promise<WriterBench>): void {
  describe('cancel', () => {
    const bench = writerFixture(open)

    test.each(DELIVERY_STATES)('%s', async (state) => {
      const id = await inState(bench, state)
      const { message_id } = await bench.delivery(id)
      const waits = state === 'queued' || state === 'deferred' || state === 'held'
      expect(await bench.writer.cancel(asId('message', message_id), bench.now())).toBe(
        waits ? 1 : 0,
      )
      expect(await bench.stateOf(id)).toBe(waits ? 'cancelled' : state)
      const events = await bench.eventsOf(id)
      expect(events.filter((type) => type === 'cancelled')).toHaveLength(
        waits || state === 'cancelled' ? 1 : 0,
      )
    })

    test('what is leased goes on, and what waits in its lane is no longer handed out', async () => {
      const lane = await bench.lane('mx')
      const message = await bench.accept(aMessage({ lane, to: ['a@ok.test', 'b@ok.test'] }))
      await bench.claim(lane)
      const { deliveries } = await bench.lease(lane, { limit: 1 })
      expect(await bench.writer.cancel(message.id, bench.now())).toBe(1)
      expect(await bench.writer.settle('worker', [aSettlement(deliveries[0]!)])).toBe(0)
      expect(await bench.lease(lane)).toEqual({ deliveries: [], nextDueAt: undefined })
    })
  })
}

function retryCases(open: () => Promise<WriterBench>): void {
  describe('retry now', () => {
    const bench = writerFixture(open)

    test.each(DELIVERY_STATES)('%s', async (state) => {
      const id = await inState(bench, state)
      await bench.clock.advance(1_000)
      await bench.writer.retryNow([id], bench.now())
      const moves = state === 'queued' || NEXT_STATES[state].includes('queued')
      const isRetried = moves && state !== 'leased'
      expect(await bench.stateOf(id)).toBe(isRetried ? 'queued' : state)
      const row = await bench.delivery(id)
      if (isRetried)
        expect(row).toMatchObject({ reason: 'retried-by-operator', next_at: bench.now() })
      expect((await bench.eventsOf(id)).includes('queued')).toBe(isRetried)
    })

    test('names each lane to wake once, and passes over what does not exist', async () => {
      const lane = await bench.lane('mx')
      const ids = [
        await bench.acceptOne({ lane, sendAt: bench.now() + DAY_MS }),
        await bench.acceptOne({ lane }),
        await bench.acceptOne({}),
        asId('delivery', 5),
      ]
      expect(await bench.writer.retryNow(ids, bench.now())).toEqual([lane])
    })

    test('gives one whose time was over another day', async () => {
      const { delivery } = await bench.held({ expiresAt: bench.now() + 1_000 })
      await bench.clock.advance(2_000)
      await bench.writer.settle('worker', [aSettlement(delivery, { to: 'expired' })])
      await bench.writer.retryNow([delivery.id], bench.now())
      expect((await bench.delivery(delivery.id)).expires_at).toBe(bench.now() + DAY_MS)
    })
  })
}
