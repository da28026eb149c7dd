import { afterAll, beforeAll, expect, test } from 'vitest'
import { decodeId } from '../../server/core/ids.ts'
import type { DeliveryId, MessageId } from '../../server/core/ids.ts'
import type { Settlement } from '../../server/core/work.ts'
import { realClock } from '../../server/ports.ts'
import { aMessage, openWorld } from './support.ts'
import type { World } from './support.ts'

let world: World
beforeAll(async () => {
  world = await openWorld()
})
afterAll(() => world.close())

test('an attempt is shown with reply, verdict, encryption and transcript, and nothing is null', async () => {
  const sent = await world.post('/v1/messages', aMessage())
  const { id, deliveries } = sent.json<{ id: string; deliveries: { id: string }[] }>()
  const now = realClock.now()
  const settlement: Settlement = {
    delivery: decodeId('delivery', deliveries[0]!.id) as DeliveryId,
    message: decodeId('message', id) as MessageId,
    tenant: world.tenant,
    attempt: 1,
    to: 'deferred',
    reason: 'remote-deferred',
    nextAt: now + 60_000,
    outcome: {
      kind: 'refused',
      stage: 'rcpt',
      reply: { code: 452, enhanced: '4.2.2', text: '<script>Mailbox full' },
      fault: undefined,
      detail: undefined,
      host: 'mx1.dest.example',
      ip: '192.0.2.1',
      sourceIp: undefined,
      tls: { protocol: 'TLSv1.3', cipher: 'TLS_AES_256_GCM_SHA384', verified: true },
      startedAt: now - 500,
      endedAt: now,
      transcript: '> RCPT TO:<ada@dest.example>\n< 452 4.2.2 <script>Mailbox full\n',
    },
    verdict: {
      category: 'mailbox-full',
      scope: 'recipient',
      permanence: 'temporary',
      action: 'retry',
      rule: 'mailbox-full',
    },
    event: 'deferred',
    unroute: false,
  }
  expect(await world.store.writer.settle(undefined, [settlement])).toBe(0)

  const response = await world.get(`/v1/messages/${id}`)
  expect(response.headers['content-type']).toMatch(/^application\/json/)
  const { deliveries: shown } = response.json<{ deliveries: Record<string, unknown>[] }>()
  expect(shown[0]).toMatchObject({
    state: 'deferred',
    reason: 'remote-deferred',
    code: 452,
    category: 'mailbox-full',
    nextAttemptAt: new Date(now + 60_000).toISOString(),
    events: [{ type: 'accepted' }, { type: 'deferred', attempt: 1 }],
    attempts: [
      {
        number: 1,
        result: 'refused',
        stage: 'rcpt',
        code: 452,
        enhanced: '4.2.2',
        reply: '<script>Mailbox full',
        host: 'mx1.dest.example',
        ip: '192.0.2.1',
        tls: { protocol: 'TLSv1.3', cipher: 'TLS_AES_256_GCM_SHA384', verified: true },
        verdict: {
          category: 'mailbox-full',
          scope: 'recipient',
          permanence: 'temporary',
          action: 'retry',
          rule: 'mailbox-full',
        },
        transcript: '> RCPT TO:<ada@dest.example>\n< 452 4.2.2 <script>Mailbox full\n',
      },
    ],
  })
  expect(JSON.stringify(shown)).not.toContain('null')
})
