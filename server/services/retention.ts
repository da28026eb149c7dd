/**
 * Forgets what is over: bodies of finished messages, old deliveries with their attempts, events, idempotency keys. In
 * small steps with pauses, so that the hot writes never wait long behind a step.
 */
import { sql } from 'kysely'
import type { RawBuilder } from 'kysely'
import { firstIdAt } from '../core/ids.ts'
import type { Clock, Log, Timer } from '../core/ports.ts'
import type { Bodies } from '../store/body.ts'
import type { Store } from '../store/open.ts'

export interface RetentionSettings {
  readonly bodiesMs: number
  readonly deliveriesMs: number
  readonly eventsMs: number
  readonly idempotencyMs: number
}

export interface Retention {
  /** One full round; resolves with how many rows went. */
  runOnce(): Promise<number>
  start(): void
  stop(): Promise<void>
}

const EVERY_MS = 10 * 60_000
const STEP_ROWS = 500
const PAUSE_MS = 20
const ORPHAN_AGE_MS = 3_600_000

export function makeRetention(deps: {
  store: Store
  bodies: Bodies
  clock: Clock
  log: Log
  settings: RetentionSettings
}): Retention {
  const { store, clock, settings } = deps
  let stopped = true
  let timer: Timer | undefined
  let round: Promise<unknown> = Promise.resolve()

  async function repeat(statement: () => RawBuilder<unknown>): Promise<number> {
    let total = 0
    for (;;) {
      const query = statement().compile(store.build)
      const [result] = await store.writer.write([{ query }])
      const changes = result?.changes ?? 0
      total += changes
      if (changes < STEP_ROWS) return total
      await clock.sleep(PAUSE_MS)
    }
  }

  /** Spool files go first: a row without its file is found and told, a file without its row is swept. */
  async function forgetSpooled(before: number): Promise<number> {
    let total = 0
    for (;;) {
      const { rows } = await sql<{ id: number; spool: string }>`
        select id, spool from messages indexed by messages_spool
        where spool is not null and id < ${before} and not ${unfinished(sql`messages.id`)}
        limit ${STEP_ROWS}`.execute(store.read)
      if (rows.length === 0) return total
      for (const row of rows) await deps.bodies.unspool(row.spool)
      const ids = sql.join(rows.map((row) => row.id))
      const query = sql`update messages set spool = null where id in (${ids})`.compile(store.build)
      await store.writer.write([{ query }])
      total += rows.length
    }
  }

  async function runOnce(): Promise<number> {
    const now = clock.now()
    const bodies = firstIdAt(now - settings.bodiesMs)
    const deliveries = firstIdAt(now - settings.deliveriesMs)
    const events = firstIdAt(now - settings.eventsMs)
    let total = await forgetSpooled(bodies)
    total += await repeat(
      () => sql`delete from bodies where message_id in (
        select message_id from bodies where message_id < ${bodies}
          and not ${unfinished(sql`bodies.message_id`)} limit ${STEP_ROWS})`,
    )
    total += await repeat(
      () => sql`delete from attempts where (delivery_id, number) in (
        select delivery_id, number from attempts where delivery_id < ${deliveries} limit ${STEP_ROWS})`,
    )
    total += await repeat(
      () => sql`delete from deliveries where id in (
        select id from deliveries where id < ${deliveries}
          and state not in ('queued', 'leased', 'deferred', 'held') limit ${STEP_ROWS})`,
    )
    total += await repeat(
      () => sql`delete from message_tags where message_id in (
        select message_id from message_tags where message_id in (
          select id from messages where id < ${deliveries} and not ${anyDelivery}) limit ${STEP_ROWS})`,
    )
    total += await repeat(
      () => sql`delete from messages where id in (
        select id from messages where id < ${deliveries} and spool is null and not ${anyDelivery}
        limit ${STEP_ROWS})`,
    )
    total += await repeat(
      () => sql`delete from events where id in (
        select id from events where id < ${events} limit ${STEP_ROWS})`,
    )
    total += await repeat(
      () => sql`delete from idempotency where (tenant_id, key) in (
        select tenant_id, key from idempotency indexed by idempotency_age
        where created_at < ${now - settings.idempotencyMs} limit ${STEP_ROWS})`,
    )
    const orphans = await deps.bodies.sweep(now - ORPHAN_AGE_MS)
    if (total + orphans.length > 0)
      deps.log.info({ rows: total, files: orphans.length }, 'retention removed what is over')
    return total
  }

  function again(): void {
    if (stopped) return
    timer = clock.after(EVERY_MS, () => {
      round = runOnce().then(again, (error: unknown) => {
        deps.log.error({ err: error }, 'retention failed')
        again()
      })
    })
  }

  return {
    runOnce,
    start() {
      stopped = false
      again()
    },
    async stop() {
      stopped = true
      timer?.cancel()
      await round
    },
  }
}

/** Some delivery of the message has not ended. */
const unfinished = (message: RawBuilder<unknown>): RawBuilder<unknown> =>
  sql`exists (select 1 from deliveries where message_id = ${message}
    and state in ('queued', 'leased', 'deferred', 'held'))`

const anyDelivery = sql`exists (select 1 from deliveries where message_id = messages.id)`
