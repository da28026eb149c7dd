/** What a database has to offer for the writer contract to run against it, and the moves that the cases share. */
import { afterAll, beforeAll, expect } from 'vitest'
import type { AppError, ErrorCode } from '../../server/core/errors.ts'
import type { DeliveryId, LaneId, MessageId, TenantId } from '../../server/core/ids.ts'
import type {
  Claim,
  HotWriter,
  Lease,
  LeasedDelivery,
  LeaseRequest,
  NewMessage,
} from '../../server/core/work.ts'
import type { AttemptsTable, DeliveriesTable, EventsTable } from '../../server/store/schema.ts'
import type { QuotaUsesTable } from '../../server/store/schema-control.ts'
import { aMessage } from '../support/builders.ts'
import type { MessageWish } from '../support/builders.ts'
import type { ManualClock } from '../support/clock.ts'

export interface WriterBench {
  readonly writer: HotWriter
  readonly clock: ManualClock
  /** Makes a lane that nobody owns. */
  lane(site: string): Promise<LaneId>
  suspend(lane: LaneId, until: number, because: string): Promise<void>
  suppress(tenant: TenantId, address: string): Promise<void>
  body(message: MessageId): Promise<Buffer | undefined>
  delivery(id: DeliveryId): Promise<DeliveriesTable>
  attempts(id: DeliveryId): Promise<AttemptsTable[]>
  events(id: DeliveryId): Promise<EventsTable[]>
  quotaUses(tenant: TenantId): Promise<QuotaUsesTable[]>
  /** A write that breaks a rule of the database, so that what is committed with it has to be done again. */
  fail(): Promise<unknown>
  close(): Promise<void>
}

export interface WriterFixture extends WriterBench {
  now(): number
  accept(message: NewMessage): Promise<{ id: MessageId; deliveries: DeliveryId[] }>
  /** One delivery of a message like this. */
  acceptOne(wish: MessageWish): Promise<DeliveryId>
  claim(lane: LaneId, token?: string, ownedForMs?: number): Promise<Claim>
  lease(lane: LaneId, more?: Partial<LeaseRequest>): Promise<Lease>
  /** Accepts one message for a new lane that `worker` owns, and leases it. */
  held(wish?: MessageWish): Promise<{ lane: LaneId; delivery: LeasedDelivery }>
  stateOf(id: DeliveryId): Promise<string>
  eventsOf(id: DeliveryId): Promise<string[]>
}

export const OWN_MS = 30_000

/** A bench per group of tests; each test has lanes and messages of its own. */
export function writerFixture(open: () => Promise<WriterBench>): WriterFixture {
  let bench: WriterBench
  beforeAll(async () => {
    bench = await open()
  })
  afterAll(() => bench.close())
  const now = (): number => bench.clock.now()
  let lanes = 0

  const fixture: WriterFixture = {
    get writer() {
      return bench.writer
    },
    get clock() {
      return bench.clock
    },
    lane: (site) => bench.lane(`${site}${lanes++}.ok.test`),
    suspend: (...suspension) => bench.suspend(...suspension),
    suppress: (...suppression) => bench.suppress(...suppression),
    body: (message) => bench.body(message),
    delivery: (id) => bench.delivery(id),
    attempts: (id) => bench.attempts(id),
    events: (id) => bench.events(id),
    quotaUses: (tenant) => bench.quotaUses(tenant),
    fail: () => bench.fail(),
    close: () => bench.close(),
    now,
    async accept(message) {
      const result = await bench.writer.accept({ messages: [message], idempotency: undefined })
      if (result.kind !== 'accepted') throw new Error(`The message was ${result.kind}.`)
      const { id, deliveries } = result.messages[0]!
      return { id, deliveries: deliveries.map((delivery) => delivery.id) }
    },
    async acceptOne(wish) {
      return (await fixture.accept(aMessage(wish))).deliveries[0]!
    },
    claim: (lane, token = 'worker', ownedForMs = OWN_MS) =>
      bench.writer.claim({ lane, token, now: now(), ownedUntil: now() + ownedForMs }),
    lease: (lane, more = {}) =>
      bench.writer.lease({
        lane,
        token: 'worker',
        now: now(),
        ownedUntil: now() + OWN_MS,
        limit: 100,
        pace: '',
        ...more,
      }),
    async held(wish = {}) {
      const lane = await fixture.lane('held')
      await fixture.acceptOne({ ...wish, lane })
      await fixture.claim(lane)
      const { deliveries } = await fixture.lease(lane)
      return { lane, delivery: deliveries[0]! }
    },
    stateOf: async (id) => (await bench.delivery(id)).state,
    eventsOf: async (id) => (await bench.events(id)).map((event) => event.type),
  }
  return fixture
}

/** The promise rejects with this code. */
export async function refusedWith(code: ErrorCode, promise: Promise<unknown>): Promise<void> {
  const error: unknown = await promise.then(
    () => undefined,
    (reason: unknown) => reason,
  )
  expect(error).toMatchObject({ code } satisfies Partial<AppError>)
}
