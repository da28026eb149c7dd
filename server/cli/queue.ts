/** `posthorn queue …`: what waits, and how to hold it or hurry it. Works beside a running server. */
import { AppError } from '../core/errors.ts'
import { asId, encodeId, idTime } from '../core/ids.ts'
import type { LaneId } from '../core/ids.ts'
import type { LaneQueue } from '../store/read/queue.ts'
import { cliActor } from './actor.ts'
import { UsageError, type Command } from './command.ts'
import { table, visible } from './output.ts'
import type { CliServices } from './services.ts'
import { countText, isoTime, span, timeText } from './time.ts'
import { argument, domainName, duration, wholeNumber, word } from './values.ts'

const ASK_ABOVE = 1_000
const STATES = ['queued', 'deferred', 'expired', 'bounced'] as const

const laneId = (row: LaneQueue): string => encodeId('lane', row.id)

/** What the lane is about just now. */
function laneState(row: LaneQueue, now: number): string {
  if (row.suspended_until > now) {
    const because = visible(row.suspended_because ?? 'no reason given')
    return `suspended until ${timeText(row.suspended_until)}: ${because}`
  }
  if (row.owned === 1) return 'working'
  return row.next_at === null ? 'empty' : 'waiting'
}

/** Lanes by id, or all lanes of a destination such as `provider:google`. */
async function lanesNamed(text: string, { queue }: CliServices): Promise<readonly LaneQueue[]> {
  const lanes = await queue.lanes()
  if (text === 'all' && lanes.length > 0) return lanes
  const found = lanes.filter((row) => laneId(row) === text || row.destination === text)
  if (found.length > 0) return found
  throw new AppError('NOT_FOUND', {
    public: `There is no lane ${text}. "posthorn queue list --all" shows their ids and destinations.`,
  })
}

const LANE_ARGUMENT = [
  { name: 'lane', summary: 'Id of a lane, a destination such as provider:google, or all' },
] as const

const TITLES = ['LANE', 'SOURCE', 'DESTINATION', 'WAITING', 'DUE', 'SENDING', 'NEXT', 'STATE']

export const queueList: Command = {
  name: 'queue list',
  group: 'Mail',
  summary: 'Show what waits, lane by lane',
  details: 'Examples\n  posthorn queue list\n  posthorn queue list --all --json',
  options: { all: { summary: 'Lanes with nothing in them, too' } },
  async run({ input, services }) {
    const { queue, clock } = await services()
    const now = clock.now()
    const [all, totals] = await Promise.all([queue.lanes(), queue.totals()])
    const isBusy = (row: LaneQueue): boolean =>
      row.waiting > 0 || row.leased > 0 || row.suspended_until > now
    const rows = input.flag('all') ? all : all.filter(isBusy)
    const values = [
      laneId,
      ({ source }: LaneQueue) => source,
      ({ destination }: LaneQueue) => destination,
      ({ waiting }: LaneQueue) => waiting,
      ({ due }: LaneQueue) => due,
      ({ leased }: LaneQueue) => leased,
      ({ next_at }: LaneQueue) =>
        next_at === null ? undefined : next_at <= now ? 'now' : `in ${span(next_at - now)}`,
      (row: LaneQueue) => laneState(row, now),
    ]
    const columns = values.map((value, i) => ({ title: TITLES[i] ?? '', value }))
    const sum = `${countText(totals.waiting)} waiting, ${countText(totals.unrouted)} of them without a lane yet`
    const lanes = rows.map((row) => ({
      id: laneId(row),
      source: row.source,
      destination: row.destination,
      waiting: row.waiting,
      due: row.due,
      sending: row.leased,
      oldestAt: row.oldest === null ? null : isoTime(idTime(row.oldest)),
      nextAt: row.next_at === null ? null : isoTime(row.next_at),
      suspendedUntil: row.suspended_until > now ? isoTime(row.suspended_until) : null,
      suspendedBecause: row.suspended_until > now ? row.suspended_because : null,
      working: row.owned === 1,
    }))
    return {
      text: rows.length === 0 ? sum : `${table(columns, rows)}\n\n${sum}`,
      data: { lanes, waiting: totals.waiting, unrouted: totals.unrouted },
    }
  },
}

export const queueSuspend: Command = {
  name: 'queue suspend',
  group: 'Mail',
  summary: 'Stop a lane for a time',
  details:
    'Deliveries in hand end first; the rest waits, and expires if the time is longer than its life.\n\nExample\n  posthorn queue suspend provider:google --for 1h --because "we are blocked, case 123"',
  arguments: LANE_ARGUMENT,
  options: {
    for: { summary: 'How long, such as 30m or 2h', value: 'TIME', required: true },
    because: { summary: 'Why; shown wherever somebody wonders', value: 'TEXT', required: true },
  },
  async run({ input, services }) {
    const time = duration(input, 'for') ?? 0
    if (time === 0) throw new UsageError('--for needs some time; to end it: posthorn queue resume')
    const because = input.text('because') ?? ''
    const opened = await services()
    const lanes = await lanesNamed(argument(input, 'lane'), opened)
    const until = opened.clock.now() + time
    for (const row of lanes)
      await opened.queue.suspend(cliActor(), asId('lane', row.id), until, because)
    const data = { lanes: lanes.map(laneId), suspendedUntil: isoTime(until), because }
    return { text: `${laneWords(lanes)} suspended until ${timeText(until)}.`, data }
  },
}

const laneWords = (lanes: readonly LaneQueue[]): string =>
  lanes.map((row) => `${row.source} to ${row.destination}`).join(', ')

export const queueResume: Command = {
  name: 'queue resume',
  group: 'Mail',
  summary: 'Let a suspended lane go on',
  details: 'Example\n  posthorn queue resume provider:google',
  arguments: LANE_ARGUMENT,
  async run({ input, services }) {
    const opened = await services()
    const lanes = await lanesNamed(argument(input, 'lane'), opened)
    for (const row of lanes) await opened.queue.resume(cliActor(), asId('lane', row.id))
    const held = lanes.filter((row) => row.suspended_until > opened.clock.now()).length
    const remark = held === 0 ? ' (it was not suspended)' : ''
    return { text: `${laneWords(lanes)} goes on${remark}.`, data: { lanes: lanes.map(laneId) } }
  },
}

export const queueRetry: Command = {
  name: 'queue retry',
  group: 'Mail',
  summary: 'Make deliveries due now instead of at their next try',
  details:
    'Without conditions: all that wait. Expired and bounced ones come back with --state. Limits of the lanes hold.\n\nExamples\n  posthorn queue retry --domain example.org --dry-run\n  posthorn queue retry --lane provider:google --yes\n  posthorn queue retry --state bounced --domain example.org --limit 100',
  options: {
    lane: { summary: 'Only of this lane: id, or destination', value: 'LANE' },
    domain: { summary: 'Only to this recipient domain', value: 'DOMAIN' },
    state: { summary: `${STATES.join(', ')}; without it queued and deferred`, value: 'STATE' },
    limit: { summary: 'At most so many, oldest first', value: 'N' },
    'dry-run': { summary: 'Only count' },
    yes: { summary: `Do not ask about more than ${countText(ASK_ABOVE)}` },
  },
  async run({ input, services, io }) {
    const state = word(input, 'state', STATES)
    const limit = wholeNumber(input, 'limit') ?? Infinity
    const named = input.text('domain')
    const domain = named === undefined ? undefined : domainName(named)
    const opened = await services()
    const lanes = await lanesOf(input.text('lane'), opened)
    const filters = lanes.map((lane) => ({ lane, domain, state }))
    const counts = await Promise.all(filters.map((filter) => opened.queue.count(filter)))
    const matching = counts.reduce((sum, count) => sum + count, 0)
    const concerned = Math.min(matching, limit)
    if (input.flag('dry-run')) {
      return {
        text: `Would be tried now: ${deliveries(concerned)}.`,
        data: { matching, retried: 0, dryRun: true },
      }
    }
    if (concerned > ASK_ABOVE && !input.flag('yes')) {
      throw new AppError('STATE_CONFLICT', {
        public: `This concerns ${deliveries(concerned)}. Add --yes to go on, --limit N to take fewer, or --dry-run to only count.`,
      })
    }
    io.err(`Matching: ${deliveries(concerned)}.\n`)
    let retried = 0
    for (const filter of filters)
      retried += await opened.queue.retry(cliActor(), filter, limit - retried)
    return {
      text: `Due now: ${deliveries(retried)}.`,
      data: { matching, retried, dryRun: false },
    }
  },
}

const deliveries = (count: number): string =>
  count === 1 ? '1 delivery' : `${countText(count)} deliveries`

/** One filter for each lane that was named; undefined stands for all. */
async function lanesOf(
  text: string | undefined,
  opened: CliServices,
): Promise<readonly (LaneId | undefined)[]> {
  if (text === undefined) return [undefined]
  return (await lanesNamed(text, opened)).map((row) => asId('lane', row.id))
}

export const queueRebuild: Command = {
  name: 'queue rebuild',
  group: 'Mail',
  summary: 'Derive every wake-up from the database again',
  details:
    'The database is the truth and the queue engine only wakes; this is done at each start and every minute anyway.\nA running server does it within a second after this command.\n\nExample\n  posthorn queue rebuild',
  async run({ services }) {
    const { queue } = await services()
    const { lanes, domains } = await queue.rebuild(cliActor())
    return {
      text: `Running servers wake ${countText(lanes)} lanes and ${countText(domains)} domains without a lane within a second.`,
      data: { lanes, domains },
    }
  },
}
