/** Large bodies: whole on the disk before the row that names them, and gone again when the message was not kept. */
import { readFileSync, readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { AppError } from '../../server/core/errors.ts'
import { asId } from '../../server/core/ids.ts'
import type { AcceptRequest, AcceptResult } from '../../server/core/work.ts'
import { makeBudget } from '../../server/services/budget.ts'
import { openCatalog } from '../../server/services/catalog.ts'
import { makeSubmit } from '../../server/services/submit.ts'
import type { RawSubmission, Submit } from '../../server/services/submit-contract.ts'
import { openBodies } from '../../server/store/body.ts'
import type { Bodies } from '../../server/store/body.ts'
import { refusedWith } from '../contract/writer.bench.ts'
import { manualClock } from '../support/clock.ts'
import { openTestStore } from '../support/store.ts'
import type { TestStore } from '../support/store.ts'

const LIMIT = 10_000

interface Bench extends TestStore {
  readonly submit: Submit
  readonly bodies: Bodies
  readonly files: () => string[]
}

/** The way from a submission to the row, with the writer's `accept` watched or replaced by `around`. */
async function openBench(
  around?: (
    request: AcceptRequest,
    accept: () => Promise<AcceptResult>,
    opened: TestStore,
  ) => Promise<AcceptResult>,
): Promise<Bench> {
  const clock = manualClock()
  const opened = await openTestStore({ clock })
  const { store, dataDir, log } = opened
  const bodies = openBodies(store, { dataDir, cacheBytes: 1_000_000 })
  const catalog = await openCatalog(store, clock, log)
  let serial = 0
  const submit = makeSubmit({
    writer: {
      accept: (request) => {
        const accept = (): Promise<AcceptResult> => store.writer.accept(request)
        return around === undefined ? accept() : around(request, accept, opened)
      },
    },
    bodies,
    catalog,
    routing: { peek: () => undefined },
    budget: makeBudget({}, clock),
    disk: { isFull: false, freeBytes: Infinity, close: () => undefined },
    clock,
    random: { next: () => 0.5, bytes: (length) => Buffer.alloc(length, serial++) },
    settings: {
      hostname: 'mta.test',
      maxMessageBytes: 10_000_000,
      maxRecipients: 100,
      spoolOverBytes: LIMIT,
      scheduleAheadMs: 0,
      maxAgeMs: { transactional: 1_000, bulk: 1_000 },
    },
    wake: { lane: () => undefined, domain: () => undefined },
    isClosing: () => false,
  })
  const files = (): string[] => readdirSync(join(dataDir, 'spool'))
  return { ...opened, submit, bodies, files }
}

/** A message of about `size` bytes. */
const submission = (size: number, more: Partial<RawSubmission> = {}): RawSubmission => ({
  principal: {
    tenant: asId('tenant', 1),
    credential: undefined,
    key: undefined,
    name: 'test',
    scopes: [],
    mode: 'live',
    limits: {},
  },
  via: 'api',
  mailFrom: 'shop@a.test',
  recipients: ['a@ok.test'],
  raw: Buffer.from(
    `From: shop@a.test\r\nSubject: x\r\n\r\n${'0123456789abcde\r\n'.repeat(size / 17)}`,
  ),
  smtpUtf8: false,
  repairNewlines: false,
  options: {},
  ...more,
})

describe('a body over the limit', () => {
  test('is whole in its file, for its owner only, before the row is written', async () => {
    const seen: { spool: string; size: number; onDisk: number; mode: number }[] = []
    const { submit, dataDir, all, bodies, files } = await openBench(
      (request, accept, { dataDir: at }) => {
        const { body } = request.messages[0]!
        if (!('spool' in body)) throw new Error('It was not spooled.')
        const facts = statSync(join(at, 'spool', body.spool))
        seen.push({ ...body, onDisk: facts.size, mode: facts.mode & 0o777 })
        return accept()
      },
    )
    const { messages } = await submit.raw(submission(50_000))
    const { spool, size } = seen[0]!
    expect(seen).toEqual([{ spool, size, onDisk: size, mode: 0o600 }])
    expect(all('select size, spool from messages')).toEqual([{ size, spool }])
    expect(all('select message_id from bodies')).toEqual([])
    expect(files()).toEqual([spool])
    const loaded = await bodies.load(messages[0]!.id, spool)
    expect(loaded).toEqual(readFileSync(join(dataDir, 'spool', spool)))
  })

  test('a body within the limit is a row', async () => {
    const { submit, all, files } = await openBench()
    await submit.raw(submission(5_000))
    expect(all('select message_id from bodies')).toHaveLength(1)
    expect(files()).toEqual([])
  })

  test.each([
    [
      'the store refuses it',
      'STORE_FULL',
      async (): Promise<AcceptResult> => {
        throw new AppError('STORE_FULL')
      },
    ],
    [
      'its key is taken',
      'IDEMPOTENCY_KEY_REUSED',
      async (): Promise<AcceptResult> => ({ kind: 'key-reused' }),
    ],
  ] as const)('leaves no file behind when %s', async (_what, code, accept) => {
    const { submit, all, files } = await openBench(accept)
    await refusedWith(code, submit.raw(submission(50_000)))
    expect(files()).toEqual([])
    expect(all('select id from messages')).toEqual([])
  })

  test('a replay leaves the file of the first, and no other', async () => {
    const { submit, files } = await openBench()
    const again = submission(50_000, { options: { idempotencyKey: 'k' } })
    const first = await submit.raw(again)
    const [file] = files()
    const second = await submit.raw(again)
    expect(second).toEqual({ ...first, replayed: true })
    expect(files()).toEqual([file])
  })
})

describe('bodies in memory', () => {
  const KIB = 1_024
  const id = (n: number) => asId('message', n)

  test('stay within the cache, the oldest go', async () => {
    const { store, dataDir } = await openTestStore()
    const bodies = openBodies(store, { dataDir, cacheBytes: 80 * KIB })
    for (let i = 0; i < 20; i++) bodies.remember(id(i), Buffer.alloc(8 * KIB, i))
    const kept = []
    for (let i = 0; i < 20; i++) if (await bodies.load(id(i), undefined)) kept.push(i)
    expect(kept).toEqual([10, 11, 12, 13, 14, 15, 16, 17, 18, 19])
  })

  test('what was taken stays no longer, and makes room', async () => {
    const { store, dataDir } = await openTestStore()
    const bodies = openBodies(store, { dataDir, cacheBytes: 80 * KIB })
    for (let i = 0; i < 19; i++) {
      bodies.remember(id(i), Buffer.alloc(8 * KIB, i))
      if (i % 2 === 1) expect(await bodies.take(id(i), undefined)).toHaveLength(8 * KIB)
    }
    const kept = []
    for (let i = 0; i < 19; i++) if (await bodies.load(id(i), undefined)) kept.push(i)
    expect(kept).toEqual([0, 2, 4, 6, 8, 10, 12, 14, 16, 18])
  })

  test('what was taken before is read from the store again', async () => {
    const { bodies, submit } = await openBench()
    const { messages } = await submit.raw(submission(5_000))
    const first = await bodies.take(messages[0]!.id, undefined)
    expect(first).toBeDefined()
    expect(await bodies.take(messages[0]!.id, undefined)).toEqual(first)
  })

  test('one too large for it is read from disk each time', async () => {
    const { store, dataDir } = await openTestStore()
    const bodies = openBodies(store, { dataDir, cacheBytes: 8 * KIB })
    bodies.remember(id(1), Buffer.alloc(2 * KIB))
    expect(await bodies.load(id(1), undefined)).toBeUndefined()
  })
})
