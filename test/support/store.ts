/** A real store in a folder of its own, with what tests need to stand on: a source, lanes, and raw looks at rows. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { onTestFinished } from 'vitest'
import { asId } from '../../server/core/ids.ts'
import type { DeliveryId, LaneId, MessageId } from '../../server/core/ids.ts'
import type { Clock } from '../../server/core/ports.ts'
import type { LeasedDelivery, NewMessage } from '../../server/core/work.ts'
import { ensureLane } from '../../server/store/lanes.ts'
import { openStore } from '../../server/store/open.ts'
import type { Store } from '../../server/store/open.ts'
import { manualClock } from './clock.ts'
import { recordingLog } from './log.ts'
import type { RecordingLog } from './log.ts'

export interface TestStore {
  readonly store: Store
  readonly clock: Clock
  readonly log: RecordingLog
  readonly dataDir: string
  /** A lane to a site, of the one source. */
  readonly lane: (site?: string) => Promise<LaneId>
  /** Accepts one message; rejects when it is not. */
  readonly accept: (message: NewMessage) => Promise<{ id: MessageId; deliveries: DeliveryId[] }>
  /** Claims when need be, and leases. */
  readonly lease: (
    lane: LaneId,
    limit?: number,
    token?: string,
  ) => Promise<readonly LeasedDelivery[]>
  /** Rows of any query, as they are. */
  readonly all: <T>(sql: string, ...parameters: unknown[]) => T[]
  close(): Promise<void>
}

export interface TestStoreOptions {
  readonly clock?: Clock
  readonly dataDir?: string
}

/** Without `dataDir` the folder goes with the store. The caller closes. */
export async function makeTestStore(options: TestStoreOptions = {}): Promise<TestStore> {
  const dataDir = options.dataDir ?? mkdtempSync(join(tmpdir(), 'posthorn-store-'))
  const clock = options.clock ?? manualClock()
  const log = recordingLog()
  const store = await openStore({
    auditKey: Buffer.alloc(32, 5),
    dataDir,
    cacheKiB: 16_384,
    clock,
    log,
    onFatal: (error) => {
      throw error
    },
  })
  const now = clock.now()
  await store.writer.write(
    [
      {
        query: store.build
          .insertInto('sources')
          .values({
            id: 1,
            name: 'one',
            ip: null,
            ehlo: 'mta.test',
            created_at: now,
            disabled_at: null,
          })
          .onConflict((conflict) => conflict.doNothing())
          .compile(),
      },
    ],
    { unaudited: 'test' },
  )
  const all = <T>(sql: string, ...parameters: unknown[]): T[] =>
    store.reader.prepare(sql).all(...parameters) as T[]
  return {
    store,
    clock,
    log,
    dataDir,
    all,
    lane: (site = 'mx.ok.test') => {
      const destination = { kind: 'mx', provider: undefined, site } as const
      return ensureLane(store, { source: asId('source', 1), destination }, clock.now())
    },
    async accept(message) {
      const result = await store.writer.accept({ messages: [message], idempotency: undefined })
      if (result.kind !== 'accepted') throw new Error(`The message was ${result.kind}.`)
      const { id, deliveries } = result.messages[0]!
      return { id, deliveries: deliveries.map((delivery) => delivery.id) }
    },
    async lease(lane, limit = 100, token = 'worker') {
      const owner = { lane, token, now: clock.now(), ownedUntil: clock.now() + 30_000 }
      const claim = await store.writer.claim(owner)
      if (claim.kind !== 'claimed') throw new Error(`The lane is ${claim.kind}.`)
      return (await store.writer.lease({ ...owner, limit, pace: '' })).deliveries
    },
    async close() {
      await store.close()
      if (options.dataDir === undefined) rmSync(dataDir, { recursive: true, force: true })
    },
  }
}

/** The same, closed when the test is over. */
export async function openTestStore(options: TestStoreOptions = {}): Promise<TestStore> {
  const opened = await makeTestStore(options)
  onTestFinished(() => opened.close())
  return opened
}
