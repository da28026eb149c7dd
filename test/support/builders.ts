/** Messages, settlements and what they are made of, complete and plausible; a test names only what it is about. */
import { asId } from '../../server/core/ids.ts'
import type { LaneId } from '../../server/core/ids.ts'
import type { Outcome, Verdict } from '../../server/core/outcome.ts'
import type {
  LeasedDelivery,
  NewMessage,
  NewRecipient,
  Settlement,
} from '../../server/core/work.ts'
import { TEST_START } from './clock.ts'

const DAY_MS = 86_400_000

export interface MessageWish extends Partial<NewMessage> {
  /** Recipients by address; their lane is `lane`. */
  readonly to?: string | readonly string[]
  readonly lane?: LaneId | undefined
}

export const aRecipient = (address: string, lane?: LaneId): NewRecipient => ({
  address,
  domain: address.slice(address.lastIndexOf('@') + 1),
  lane,
})

/** `aMessage({ to: 'a@ok.test' })`: tenant 1, transactional, one recipient, due now. */
export function aMessage({ to = 'a@ok.test', lane, ...more }: MessageWish = {}): NewMessage {
  const addresses = typeof to === 'string' ? [to] : to
  return {
    tenant: asId('tenant', 1),
    stream: 'transactional',
    via: 'api',
    credential: undefined,
    key: undefined,
    mailFrom: 'shop@a.test',
    headerFrom: 'shop@a.test',
    subject: 'Your order',
    messageIdHeader: 'order-1@a.test',
    tags: [],
    metadata: {},
    sendAt: undefined,
    expiresAt: TEST_START + 3 * DAY_MS,
    sandbox: false,
    smtpUtf8: false,
    body: Buffer.from('Subject: Your order\r\n\r\nIt is on its way.\r\n'),
    recipients: addresses.map((address) => aRecipient(address, lane)),
    ...more,
  }
}

export const anOutcome = (more: Partial<Outcome> = {}): Outcome => ({
  kind: 'accepted',
  stage: 'body',
  reply: { code: 250, enhanced: '2.0.0', text: 'queued as 4XyZ' },
  fault: undefined,
  detail: undefined,
  host: 'mx1.ok.test',
  ip: '192.0.2.25',
  sourceIp: '192.0.2.1',
  tls: { protocol: 'TLSv1.3', cipher: 'TLS_AES_256_GCM_SHA384', verified: true },
  startedAt: TEST_START,
  endedAt: TEST_START + 120,
  transcript: '> MAIL FROM:<shop@a.test>\n< 250 2.1.0 ok\n',
  ...more,
})

export const aVerdict = (more: Partial<Verdict> = {}): Verdict => ({
  category: 'delivered',
  scope: 'recipient',
  permanence: 'final',
  action: 'complete',
  rule: 'accepted',
  ...more,
})

type Held = Pick<LeasedDelivery, 'id' | 'message' | 'tenant' | 'attempt'>
const partsOf = (held: Held): Pick<Settlement, 'delivery' | 'message' | 'tenant' | 'attempt'> => ({
  delivery: held.id,
  message: held.message,
  tenant: held.tenant,
  attempt: held.attempt,
})

/** Delivered, with an attempt and an event. */
export const aSettlement = (held: Held, more: Partial<Settlement> = {}): Settlement => ({
  ...partsOf(held),
  to: 'delivered',
  reason: 'remote-accepted',
  nextAt: undefined,
  outcome: anOutcome(),
  verdict: aVerdict(),
  event: 'delivered',
  unroute: false,
  ...more,
})

/** The remote asked to come back at `nextAt`. */
export const aDeferral = (held: Held, nextAt: number, more: Partial<Settlement> = {}): Settlement =>
  aSettlement(held, {
    to: 'deferred',
    reason: 'remote-deferred',
    nextAt,
    outcome: anOutcome({
      kind: 'refused',
      stage: 'rcpt',
      reply: { code: 451, enhanced: '4.7.1', text: 'try again later' },
    }),
    verdict: aVerdict({
      category: 'greylisted',
      scope: 'destination',
      permanence: 'temporary',
      action: 'retry',
    }),
    event: 'deferred',
    ...more,
  })

/** Given back untried. */
export const aPutBack = (held: Held, nextAt: number): Settlement =>
  aSettlement(held, {
    to: held.attempt > 1 ? 'deferred' : 'queued',
    reason: 'lane-released',
    nextAt,
    outcome: undefined,
    verdict: undefined,
    event: undefined,
  })
