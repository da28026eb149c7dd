/** The queue of the whole installation, for its operators. */
import { asId, encodeId, idTime } from '../../core/ids.ts'
import type { Clock } from '../../core/ports.ts'
import type { Queue } from '../../services/queue.ts'
import { actorOf } from '../auth.ts'
import type { HttpApp } from '../http-app.ts'
import { idOf } from '../ids.ts'
import { formatInstant } from '../instant.ts'
import { Done } from '../schemas/parts.ts'
import { LaneParams } from '../schemas/query.ts'
import { LaneQueueList, Retried, Retry, Suspension } from '../schemas/queue.ts'

const DEFAULT_RETRY = 10_000
const MINUTE_MS = 60_000

type LaneRow = Awaited<ReturnType<Queue['lanes']>>[number]

const view = (row: LaneRow) => ({
  id: encodeId('lane', asId('lane', row.id)),
  source: row.source,
  destination: row.destination,
  waiting: row.waiting,
  due: row.due,
  leased: row.leased,
  isOwned: row.owned === 1,
  ...(row.oldest === null ? {} : { oldestAt: formatInstant(idTime(row.oldest)) }),
  ...(row.next_at === null ? {} : { nextAt: formatInstant(row.next_at) }),
  ...(row.suspended_until === 0 ? {} : { suspendedUntil: formatInstant(row.suspended_until) }),
  ...(row.suspended_because === null ? {} : { suspendedBecause: row.suspended_because }),
})

export function queueRoutes(
  app: HttpApp,
  { queue, clock }: { readonly queue: Queue; readonly clock: Clock },
): void {
  app.get(
    '/v1/queue/lanes',
    {
      config: { permission: 'queue:read' },
      schema: {
        operationId: 'listLanes',
        tags: ['Queue'],
        summary: 'List lanes',
        description: 'What waits, for whom, from which of our addresses, and what holds it.',
        response: { 200: LaneQueueList },
      },
    },
    async () => ({ items: (await queue.lanes()).map(view) }),
  )

  app.post(
    '/v1/queue/lanes/:id/suspend',
    {
      config: { permission: 'queue:manage' },
      schema: {
        operationId: 'suspendLane',
        tags: ['Queue'],
        summary: 'Suspend a lane',
        description: 'Nothing is sent on it until then; mail is accepted and waits.',
        params: LaneParams,
        body: Suspension,
        response: { 204: Done },
      },
    },
    async (request, reply) => {
      const { minutes, because } = request.body
      const until = clock.now() + minutes * MINUTE_MS
      await queue.suspend(actorOf(request), idOf('lane', request.params.id), until, because)
      return reply.code(204).send(null)
    },
  )

  app.post(
    '/v1/queue/lanes/:id/resume',
    {
      config: { permission: 'queue:manage' },
      schema: {
        operationId: 'resumeLane',
        tags: ['Queue'],
        summary: 'Resume a lane',
        description: 'What is due goes at once. Harmless for a lane that is not suspended.',
        params: LaneParams,
        response: { 204: Done },
      },
    },
    async (request, reply) => {
      await queue.resume(actorOf(request), idOf('lane', request.params.id))
      return reply.code(204).send(null)
    },
  )

  app.post(
    '/v1/queue/retry',
    {
      config: { permission: 'queue:manage' },
      schema: {
        operationId: 'retryDeliveries',
        tags: ['Queue'],
        summary: 'Retry deliveries',
        description: 'Makes deliveries due now, whatever they wait for. Count first with `dryRun`.',
        body: Retry,
        response: { 200: Retried },
      },
    },
    async (request) => {
      const { lane, domain, state, limit = DEFAULT_RETRY, dryRun } = request.body
      const filter = {
        lane: lane === undefined ? undefined : idOf('lane', lane, 'lane'),
        domain: domain?.toLowerCase(),
        state,
      }
      const matching = await queue.count(filter)
      if (dryRun === true) return { matching, retried: 0 }
      return { matching, retried: await queue.retry(actorOf(request), filter, limit) }
    },
  )
}
