/** What screens and the API read: the right rows, page by page while mail arrives, and never another tenant's. */
import { beforeAll, afterAll, describe, expect, test } from 'vitest'
import { asId, firstIdAt, idTime } from '../../server/core/ids.ts'
import type { MessageId, TenantId } from '../../server/core/ids.ts'
import { decodeCursor, encodeCursor } from '../../server/store/read/cursor.ts'
import type { MessageFilter } from '../../server/store/read/messages.ts'
import { makeReader } from '../../server/store/read/reader.ts'
import type { Reader } from '../../server/store/read/reader.ts'
import { aDeferral, aMessage, aSettlement } from '../support/builders.ts'
import type { MessageWish } from '../support/builders.ts'
import { manualClock } from '../support/clock.ts'
import { makeTestStore, openTestStore } from '../support/store.ts'
import type { TestStore } from '../support/store.ts'

const OURS = asId('tenant', 1)
const THEIRS = asId('tenant', 2)
const MINUTE = 60_000

/** All pages of a list, newest first. */
async function allPages(
  reader: Reader,
  filter: MessageFilter,
  limit: number,
  between: () => Promise<unknown> = async () => undefined,
): Promise<MessageId[]> {
  const ids: MessageId[] = []
  let before: number | undefined
  for (;;) {
    const { items, next } = await reader.messages(OURS, filter, { before, limit })
    expect(items.length).toBeLessThanOrEqual(limit)
    ids.push(...items.map(({ id }) => id))
    if (next === undefined) return ids
    before = next
    await between()
  }
}

describe('list of messages', () => {
  let opened: TestStore
  let reader: Reader
  const clock = manualClock()
  /** Newest first. */
  const kept: { id: MessageId; wish: MessageWish; state: string }[] = []

  beforeAll(async () => {
    opened = await makeTestStore({ clock })
    reader = makeReader(opened.store.across.read)
    const lane = await opened.lane()
    for (let i = 0; i < 60; i++) {
      await clock.advance(MINUTE)
      const wish: MessageWish = {
        to: i % 4 === 0 ? [`u${i % 5}@ok.test`, 'team@ok.test'] : `u${i % 5}@ok.test`,
        headerFrom: i % 3 === 0 ? 'news@a.test' : 'shop@a.test',
        tags: i % 2 === 0 ? ['even', `t${i % 6}`] : [],
        sandbox: i % 10 === 9,
        lane,
      }
      const { id } = await opened.accept(aMessage(wish))
      await opened.accept(aMessage({ ...wish, tenant: THEIRS }))
      // One of three is refused, one waits for another try; the sandboxed were delivered at once.
      const held = (await opened.lease(lane)).filter(({ tenant }) => tenant === OURS)
      const settlements = held.map((delivery) =>
        i % 3 === 0
          ? aSettlement(delivery, { to: 'bounced', reason: 'remote-refused', event: 'bounced' })
          : i % 3 === 1
            ? aDeferral(delivery, clock.now() + 60 * MINUTE)
            : aSettlement(delivery),
      )
      await opened.store.writer.settle('worker', settlements)
      const state = wish.sandbox
        ? 'delivered'
        : (['bounced', 'deferred', 'delivered'] as const)[i % 3]!
      kept.unshift({ id, wish, state })
    }
  })
  afterAll(() => opened.close())

  const has = (wish: MessageWish, to: string): boolean => [wish.to ?? []].flat().includes(to)
  const FILTERS: readonly (readonly [
    name: string,
    filter: MessageFilter,
    passes: (one: (typeof kept)[number], i: number) => boolean,
  ])[] = [
    ['none', {}, () => true],
    ['to', { to: 'u3@ok.test' }, ({ wish }) => has(wish, 'u3@ok.test')],
    ['a second recipient', { to: 'team@ok.test' }, ({ wish }) => has(wish, 'team@ok.test')],
    ['to nobody', { to: 'nobody@ok.test' }, () => false],
    ['from', { from: 'news@a.test' }, ({ wish }) => wish.headerFrom === 'news@a.test'],
    ['tag', { tag: 't4' }, ({ wish }) => wish.tags?.includes('t4') ?? false],
    ['state in the trouble index', { state: 'bounced' }, ({ state }) => state === 'bounced'],
    ['deferred', { state: 'deferred' }, ({ state }) => state === 'deferred'],
    ['a dense state', { state: 'delivered' }, ({ state }) => state === 'delivered'],
    ['a state nothing is in', { state: 'held' }, () => false],
    ['sandbox', { sandbox: true }, ({ wish }) => wish.sandbox === true],
    ['not sandbox', { sandbox: false }, ({ wish }) => wish.sandbox !== true],
    [
      'to, tag, from and state at once',
      { to: 'team@ok.test', tag: 'even', from: 'shop@a.test', state: 'deferred' },
      ({ wish, state }) =>
        has(wish, 'team@ok.test') && wish.headerFrom === 'shop@a.test' && state === 'deferred',
    ],
  ]

  test.each(FILTERS)('filter by %s', async (_name, filter, passes) => {
    const expected = kept.filter(passes).map(({ id }) => id)
    for (const limit of [1, 7, 100]) expect(await allPages(reader, filter, limit)).toEqual(expected)
  })

  test.each(FILTERS)('since, with filter by %s', async (_name, filter, passes) => {
    const since = clock.now() - 20 * MINUTE
    const expected = kept.filter((one, i) => passes(one, i) && idTime(one.id) >= since)
    const ids = await allPages(reader, { ...filter, since }, 6)
    expect(ids).toEqual(expected.map(({ id }) => id))
  })

  test('shows the first recipients of each, and counts all', async () => {
    const to = Array.from({ length: 8 }, (_, i) => `many${i}@ok.test`)
    const { id } = await opened.accept(aMessage({ to, tags: ['x', 'y'] }))
    const { items } = await reader.messages(OURS, {}, { before: undefined, limit: 1 })
    expect(items).toMatchObject([{ id, recipients: 8, tags: ['x', 'y'], sandbox: false }])
    expect(items[0]!.deliveries.map((delivery) => delivery.to)).toEqual(to.slice(0, 5))
    kept.unshift({ id, wish: { to, tags: ['x', 'y'] }, state: 'queued' })
  })

  test.each(FILTERS)(
    'no row twice and none lost while mail arrives: %s',
    async (_n, filter, passes) => {
      const before = kept.filter(passes).map(({ id }) => id)
      const arrivals: typeof kept = []
      const ids = await allPages(reader, filter, 4, async () => {
        const wish = { to: ['u3@ok.test', 'team@ok.test'], tags: ['even', 't4'] }
        arrivals.unshift({ ...(await opened.accept(aMessage(wish))), wish, state: 'queued' })
      })
      expect(ids).toEqual(before)
      kept.unshift(...arrivals)
    },
  )
})

describe('event feed', () => {
  const feed = async (
    reader: Reader,
    tenant: TenantId,
    after: number | undefined,
    limit: number,
  ) => {
    const types: string[] = []
    let cursor = after
    for (;;) {
      const page = await reader.events(tenant, { after: cursor, since: undefined, limit })
      types.push(...page.items.map(({ type, recipient }) => `${type} ${recipient ?? ''}`))
      cursor = page.next
      if (page.items.length < limit) return { types, cursor }
    }
  }

  test('tells each event once, in order, and goes on where it was left', async () => {
    const { accept, store } = await openTestStore()
    const reader = makeReader(store.across.read)
    expect(await feed(reader, OURS, undefined, 10)).toEqual({ types: [], cursor: undefined })
    for (let i = 0; i < 5; i++) {
      await accept(aMessage({ to: [`a${i}@ok.test`, `b${i}@ok.test`] }))
      await accept(aMessage({ tenant: THEIRS, to: 'c@ok.test' }))
    }
    const first = await feed(reader, OURS, undefined, 3)
    expect(first.types).toEqual(
      [0, 1, 2, 3, 4].flatMap((i) => [`accepted a${i}@ok.test`, `accepted b${i}@ok.test`]),
    )
    expect(await feed(reader, OURS, first.cursor, 3)).toEqual({ types: [], cursor: first.cursor })
    await accept(aMessage({ to: 'new@ok.test' }))
    expect((await feed(reader, OURS, first.cursor, 3)).types).toEqual(['accepted new@ok.test'])
  })

  test('misses nothing that is committed while it reads', async () => {
    const { accept, store } = await openTestStore()
    const reader = makeReader(store.across.read)
    const state = { writing: true }
    const written = (async () => {
      for (let i = 0; i < 150; i++) {
        const tenant = i % 3 === 0 ? OURS : THEIRS
        await Promise.all([accept(aMessage({ tenant })), accept(aMessage({ tenant }))])
      }
      state.writing = false
    })()
    let cursor: number | undefined
    let seen = 0
    for (let last = false; !last;) {
      last = !state.writing
      const page = await reader.events(OURS, { after: cursor, since: undefined, limit: 5 })
      seen += page.items.length
      cursor = page.next ?? cursor
      if (page.items.length === 5) last = false
      await new Promise((resolve) => setImmediate(resolve))
    }
    await written
    expect(seen).toBe(100)
  })

  test('since begins at a time', async () => {
    const clock = manualClock()
    const { accept, store } = await openTestStore({ clock })
    await accept(aMessage({ to: 'old@ok.test' }))
    await clock.advance(MINUTE)
    await accept(aMessage({ to: 'new@ok.test' }))
    const page = { after: undefined, since: clock.now(), limit: 10 }
    const { items } = await makeReader(store.across.read).events(OURS, page)
    expect(items.map(({ recipient }) => recipient)).toEqual(['new@ok.test'])
  })
})

test('no read shows another tenant anything', async () => {
  const { accept, store } = await openTestStore()
  const reader = makeReader(store.across.read)
  const message = aMessage({ to: 'a@ok.test', tags: ['x'], sandbox: true })
  const { id, deliveries } = await accept(message)
  const page = { before: undefined, limit: 10 }
  const detail = { after: 0, limit: 10 }
  const feed = { after: undefined, since: undefined, limit: 10 }
  const filters: MessageFilter[] = [
    {},
    { to: 'a@ok.test' },
    { tag: 'x' },
    { from: 'shop@a.test' },
    { state: 'delivered' },
    { sandbox: true },
    { since: firstIdAt(0) },
  ]
  const READS: Record<keyof Reader, (tenant: TenantId) => Promise<readonly unknown[]>> = {
    messages: async (tenant) =>
      (await Promise.all(filters.map((filter) => reader.messages(tenant, filter, page)))).flatMap(
        ({ items }) => items,
      ),
    message: async (tenant) => [await reader.message(tenant, id, detail)].filter(Boolean),
    delivery: async (tenant) => [await reader.delivery(tenant, deliveries[0]!)].filter(Boolean),
    events: async (tenant) => (await reader.events(tenant, feed)).items,
  }
  expect(Object.keys(READS).sort()).toEqual(Object.keys(reader).sort())
  for (const [name, read] of Object.entries(READS)) {
    expect([name, (await read(THEIRS)).length]).toEqual([name, 0])
    expect([name, (await read(OURS)).length > 0]).toEqual([name, true])
  }
})

test('a message tells its deliveries, attempts and events, page by page', async () => {
  const { accept, lane, lease, store } = await openTestStore()
  const at = await lane()
  const { id, deliveries } = await accept(
    aMessage({ lane: at, to: ['a@ok.test', 'b@ok.test', 'c@ok.test'] }),
  )
  const held = await lease(at)
  await store.writer.settle('worker', [aSettlement(held[1]!)])
  const reader = makeReader(store.across.read)
  const first = await reader.message(OURS, id, { after: 0, limit: 2 })
  expect(first?.deliveries.map((row) => row.id)).toEqual(deliveries.slice(0, 2))
  expect(first?.attempts).toMatchObject([{ delivery_id: deliveries[1], number: 1 }])
  expect(first?.events.map(({ type }) => type)).toEqual(['accepted', 'accepted', 'delivered'])
  const rest = await reader.message(OURS, id, { after: deliveries[1]!, limit: 2 })
  expect(rest?.deliveries.map((row) => row.id)).toEqual([deliveries[2]])
})

test.each([
  ['another list', encodeCursor('events', 5)],
  ['no number', Buffer.from('messages:x').toString('base64url')],
  ['too large a number', Buffer.from('messages:9999999999999999').toString('base64url')],
  ['more than one number', Buffer.from('messages:1:2').toString('base64url')],
  ['nonsense', '!!!'],
])('a cursor of %s is refused', (_what, text) => {
  expect(() => decodeCursor('messages', text)).toThrow(
    expect.objectContaining({ code: 'CURSOR_INVALID' }),
  )
  expect(decodeCursor('messages', encodeCursor('messages', 5))).toBe(5)
})
