/**
 * What every database's hot writer must do, as tests over a factory: what is accepted is kept as it came, once per
 * idempotency key, and answered only then. Quotas, leases and settlements are in the files beside this one.
 */
import { beforeEach, describe, expect, test } from 'vitest'
import { asId, firstIdAt, idTime } from '../../server/core/ids.ts'
import type { AcceptResult } from '../../server/core/work.ts'
import { aMessage, aRecipient } from '../support/builders.ts'
import { refusedWith, writerFixture } from './writer.bench.ts'
import type { WriterBench } from './writer.bench.ts'
import { laneCases } from './writer.lanes.contract.ts'
import { quotaCases } from './writer.quota.contract.ts'
import { settleCases } from './writer.settle.contract.ts'

/** Every byte value, and sequences that text handling would change. */
const BINARY = Buffer.concat([
  Buffer.from(Array.from({ length: 256 }, (_, i) => i)),
  Buffer.from('\0\r\n\n\r.\r\n', 'latin1'),
  Buffer.alloc(70_000, 0xff),
])

const messagesOf = (result: AcceptResult) => {
  if (!('messages' in result)) throw new Error(`The request was ${result.kind}.`)
  return result.messages
}

/** Runs the contract against the databases of `open`. */
export function writerContract(name: string, open: () => Promise<WriterBench>): void {
  describe(`writer contract: ${name}`, () => {
    acceptCases(open)
    idempotencyCases(open)
    quotaCases(open)
    laneCases(open)
    settleCases(open)
  })
}

function acceptCases(open: () => Promise<WriterBench>): void {
  describe('accept', () => {
    const bench = writerFixture(open)

    test.each([
      ['text', Buffer.from('Subject: x\r\n\r\nh\u00e9llo\r\n')],
      ['every byte', BINARY],
      ['one byte', Buffer.from([0])],
      ['a view into a larger buffer', Buffer.from('....kept....').subarray(4, 8)],
    ])('keeps a body byte by byte: %s', async (_what, body) => {
      const { id } = await bench.accept(aMessage({ body }))
      expect(Buffer.compare((await bench.body(id)) ?? Buffer.alloc(0), body)).toBe(0)
    })

    test('bodies of one operation and of one batch do not mix', async () => {
      const bodies = Array.from({ length: 60 }, (_, i) => Buffer.alloc(1 + i * 97, i))
      const results = await Promise.all(
        [0, 20, 40].map((start) =>
          bench.writer.accept({
            messages: bodies.slice(start, start + 20).map((body) => aMessage({ body })),
            idempotency: undefined,
          }),
        ),
      )
      const kept = results.flatMap(messagesOf)
      for (const [i, { id }] of kept.entries()) expect(await bench.body(id)).toEqual(bodies[i])
    })

    test('answers with each delivery of each message, in order', async () => {
      const lane = await bench.lane('mx.ok.test')
      const result = await bench.writer.accept({
        messages: [
          aMessage({ recipients: [aRecipient('a@ok.test', lane), aRecipient('b@new.test')] }),
          aMessage({ to: 'c@ok.test', lane }),
        ],
        idempotency: undefined,
      })
      expect(result.kind).toBe('accepted')
      const facts = messagesOf(result).map(({ deliveries }) =>
        deliveries.map(({ to, state, lane: at }) => ({ to, state, at })),
      )
      expect(facts).toEqual([
        [
          { to: 'a@ok.test', state: 'queued', at: lane },
          { to: 'b@new.test', state: 'queued', at: undefined },
        ],
        [{ to: 'c@ok.test', state: 'queued', at: lane }],
      ])
    })

    test('keys ascend in the order of acceptance and tell the time of it', async () => {
      const start = bench.now()
      const early = await Promise.all(
        Array.from({ length: 50 }, () =>
          bench.accept(aMessage({ to: ['a@ok.test', 'b@ok.test'] })),
        ),
      )
      await bench.clock.advance(5_000)
      const late = await bench.accept(aMessage())
      const ids = [...early, late].map(({ id }) => id)
      const deliveries = [...early, late].flatMap((message) => message.deliveries)
      expect(ids).toEqual([...ids].sort((a, b) => a - b))
      expect(deliveries).toEqual([...deliveries].sort((a, b) => a - b))
      expect(new Set(deliveries).size).toBe(deliveries.length)
      expect(early.map(({ id }) => idTime(id)).every((time) => time === start)).toBe(true)
      expect(late.id).toBeGreaterThan(firstIdAt(start + 5_000))
    })

    test('keys go on ascending when the clock is set back', async () => {
      await bench.clock.advance(60_000)
      const before = await bench.accept(aMessage())
      await bench.clock.advance(-60_000)
      const after = await bench.accept(aMessage())
      await bench.clock.advance(60_000)
      expect(after.id).toBeGreaterThan(before.id)
      expect(after.deliveries[0]).toBeGreaterThan(before.deliveries[0]!)
    })

    test('every delivery gets its accepted event with the row', async () => {
      const { deliveries } = await bench.accept(aMessage({ to: ['a@ok.test', 'b@ok.test'] }))
      for (const id of deliveries) {
        expect(await bench.eventsOf(id)).toEqual(['accepted'])
        expect(await bench.delivery(id)).toMatchObject({ state: 'queued', reason: 'accepted' })
      }
    })

    test('a suppressed recipient is kept as suppressed, the others are queued', async () => {
      const lane = await bench.lane('mx.ok.test')
      await bench.suppress(asId('tenant', 1), 'gone@ok.test')
      const message = aMessage({ to: ['a@ok.test', 'Gone@ok.test'], lane })
      const result = await bench.writer.accept({ messages: [message], idempotency: undefined })
      const [fine, gone] = messagesOf(result)[0]!.deliveries
      expect(fine).toMatchObject({ state: 'queued', lane })
      expect(gone).toMatchObject({ state: 'suppressed', lane: undefined })
      expect(await bench.delivery(gone!.id)).toMatchObject({ reason: 'suppressed-recipient' })
      expect(await bench.eventsOf(gone!.id)).toEqual(['accepted', 'suppressed'])
    })

    test("another tenant's suppression says nothing", async () => {
      await bench.suppress(asId('tenant', 2), 'a@ok.test')
      expect(await bench.stateOf(await bench.acceptOne({}))).toBe('queued')
    })

    test('a sandboxed message is delivered at once, without a lane, and says so', async () => {
      const lane = await bench.lane('mx.ok.test')
      const id = await bench.acceptOne({ sandbox: true, lane })
      expect(await bench.delivery(id)).toMatchObject({
        state: 'delivered',
        reason: 'sandbox',
        lane_id: null,
      })
      const events = await bench.events(id)
      expect(events.map(({ type, data }) => [type, data])).toEqual([
        ['accepted', null],
        ['delivered', '{"sandbox":true}'],
      ])
    })

    test('a message for later is queued as scheduled and due then', async () => {
      const sendAt = bench.now() + 3_600_000
      const id = await bench.acceptOne({ sendAt })
      expect(await bench.delivery(id)).toMatchObject({
        state: 'queued',
        reason: 'scheduled',
        next_at: sendAt,
      })
    })
  })
}

function idempotencyCases(open: () => Promise<WriterBench>): void {
  describe('idempotency', () => {
    const bench = writerFixture(open)
    let serial = 0
    beforeEach(() => {
      serial++
    })
    /** Keys are of one test only. */
    const request = (fingerprint: string, tenant = 1, key = 'order') => ({
      messages: [aMessage({ tenant: asId('tenant', tenant), to: ['a@ok.test', 'b@ok.test'] })],
      idempotency: { key: `${key}-${serial}`, fingerprint },
    })

    test('of a hundred at once one is accepted, all answer with its ids', async () => {
      const results = await Promise.all(
        Array.from({ length: 100 }, () => bench.writer.accept(request('f'))),
      )
      expect(results.filter(({ kind }) => kind === 'accepted')).toHaveLength(1)
      expect(results.filter(({ kind }) => kind === 'replayed')).toHaveLength(99)
      const first = messagesOf(results[0]!)
      for (const result of results) expect(messagesOf(result)).toEqual(first)
    })

    test('a replay tells the state of today', async () => {
      const [message] = messagesOf(await bench.writer.accept(request('f')))
      await bench.writer.cancel(message!.id, bench.now())
      const [replayed] = messagesOf(await bench.writer.accept(request('f')))
      expect(replayed!.deliveries.map(({ state }) => state)).toEqual(['cancelled', 'cancelled'])
    })

    test('another request under the key is refused and keeps nothing', async () => {
      await bench.writer.accept(request('f'))
      const before = await bench.accept(aMessage())
      expect(await bench.writer.accept(request('other'))).toEqual({ kind: 'key-reused' })
      const after = await bench.accept(aMessage())
      expect(after.id).toBe(before.id + 1)
    })

    test.each([
      ['another tenant', 2, 'order'],
      ['another key', 1, 'invoice'],
    ])('%s is another request', async (_what, tenant, key) => {
      await bench.writer.accept(request('f'))
      expect((await bench.writer.accept(request('f', tenant, key))).kind).toBe('accepted')
    })

    test('an operation that fails keeps neither message nor key', async () => {
      const { idempotency } = request('f')
      const half = [aMessage(), aMessage({ subject: undefined as never })]
      await refusedWith('INTERNAL', bench.writer.accept({ messages: half, idempotency }))
      expect((await bench.writer.accept(request('f'))).kind).toBe('accepted')
    })
  })
}
