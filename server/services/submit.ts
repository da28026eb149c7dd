/**
 * Accepts mail from every way in: checks, normalises, and keeps it in one group commit before anybody is answered.
 * It asks no DNS and signs nothing; a lane that is already known is taken along, the rest is the router's work.
 */
import { isAscii } from 'node:buffer'
import { parseAddress } from '../core/address.ts'
import type { ParsedAddress } from '../core/address.ts'
import { AppError } from '../core/errors.ts'
import type { LaneId } from '../core/ids.ts'
import type { Clock, Random } from '../core/ports.ts'
import type { AcceptRequest, AcceptResult, NewMessage, NewRecipient, Stream } from '../core/work.ts'
import { downgradeMessage } from '../protocol/downgrade.ts'
import { formatMailDate } from '../protocol/date.ts'
import { inspectMessage } from '../protocol/inspect.ts'
import type { Inspection } from '../protocol/inspect.ts'
import { normaliseMessage } from '../protocol/normalise.ts'
import type { Bodies } from '../store/body.ts'
import type { Writer } from '../store/writer.ts'
import type { Principal } from './auth/principal.ts'
import type { Budget } from './budget.ts'
import { buildMessage } from './build-message.ts'
import type { Content } from './build-message.ts'
import type { Catalog } from './catalog.ts'
import type { DiskGuard } from './disk.ts'
import type { Routing } from './routing.ts'
import { overQuota, quotasFor } from './quotas.ts'
import { verifiedDomain } from './sender.ts'
import { fingerprintOf } from './fingerprint.ts'
import type {
  BuiltSubmission,
  RawSubmission,
  Submit,
  SubmitOptions,
  SubmitResult,
} from './submit-contract.ts'

export interface SubmitSettings {
  readonly hostname: string
  readonly maxMessageBytes: number
  readonly maxRecipients: number
  readonly spoolOverBytes: number
  readonly scheduleAheadMs: number
  /** How long a delivery is tried, per stream. */
  readonly maxAgeMs: Readonly<Record<Stream, number>>
}

export interface SubmitDeps {
  readonly writer: Pick<Writer, 'accept'>
  readonly bodies: Bodies
  readonly catalog: Catalog
  readonly routing: Pick<Routing, 'peek'>
  readonly budget: Budget
  readonly disk: DiskGuard
  readonly clock: Clock
  readonly random: Random
  readonly settings: SubmitSettings
  /** Something is due: a lane, or a domain that has none yet. */
  readonly wake: { lane(lane: LaneId): void; domain(domain: string): void }
  /** True while the program shuts down. */
  readonly isClosing: () => boolean
}

/** RFC 5322 §2.1.1, without CRLF. */
const MAX_LINE = 998

/** Ready to be kept, but for the body, which may still have to go to a spool file. */
type Prepared = Omit<NewMessage, 'body'> & { readonly body: Buffer }

export function makeSubmit(deps: SubmitDeps): Submit {
  const { clock, settings } = deps

  /** Throws when nothing can be accepted at all. */
  function refuseWhenClosed(): void {
    if (deps.isClosing()) throw new AppError('SHUTTING_DOWN')
    if (deps.disk.isFull) throw new AppError('STORE_FULL')
  }

  function parseRecipients(texts: readonly string[], smtpUtf8: boolean): ParsedAddress[] {
    if (texts.length === 0) throw new AppError('RECIPIENTS_MISSING')
    const unique = new Map<string, ParsedAddress>()
    texts.forEach((text, i) => {
      const parsed = parseAddress(text, { allowQuoted: true, smtpUtf8 })
      if (!parsed.ok)
        throw new AppError('ADDRESS_INVALID', {
          public: `A recipient is not a valid address: ${parsed.reason}.`,
          fields: [{ path: `recipients/${i}`, message: parsed.reason }],
        })
      unique.set(parsed.address, parsed)
    })
    refuseTooMany(unique.size)
    return [...unique.values()]
  }

  function refuseTooMany(recipients: number): void {
    if (recipients <= settings.maxRecipients) return
    throw new AppError('RECIPIENTS_TOO_MANY', {
      public: `The message has ${recipients} recipients; at most ${settings.maxRecipients} are allowed.`,
    })
  }

  function checkSendAt(sendAt: number | undefined): number | undefined {
    if (sendAt === undefined) return undefined
    const now = clock.now()
    if (sendAt > now + settings.scheduleAheadMs || sendAt < now - 86_400_000)
      throw new AppError('SEND_AT_INVALID', {
        public: `sendAt must lie between yesterday and ${Math.round(settings.scheduleAheadMs / 86_400_000)} days from now.`,
        fields: [{ path: 'sendAt', message: 'out of range' }],
      })
    return sendAt > now ? sendAt : undefined
  }

  /** The bytes to keep: normalised, and 7-bit safe so that no next hop has to be asked for 8BITMIME. */
  function normalise(inspection: Inspection, received: string | undefined): Content {
    const { header } = inspection
    const kept = normaliseMessage(inspection, {
      now: clock.now(),
      messageIdDomain: header.fromDomain,
      newMessageId: () => newMessageId(deps.random, clock.now()),
      ...(received === undefined ? {} : { receivedLine: received }),
    })
    const isSafe = !inspection.has8bit && inspection.longestLine <= MAX_LINE
    return {
      raw: isSafe ? kept.raw : downgradeMessage(kept.raw).raw,
      headerFrom: header.from,
      fromDomain: header.fromDomain,
      subject: header.subject,
      messageId: kept.messageId,
    }
  }

  function prepare(input: {
    principal: Principal
    via: 'smtp' | 'api'
    mailFrom: string
    recipients: readonly ParsedAddress[]
    content: Content
    smtpUtf8: boolean
    options: SubmitOptions
  }): Prepared {
    const { principal, content, options, recipients } = input
    const now = clock.now()
    const stream = options.stream ?? 'transactional'
    const tags = options.tags ?? []
    const sendAt = checkSendAt(options.sendAt)
    const sender = verifiedDomain(deps.catalog.current, principal.tenant, content.fromDomain)
    const sandbox = sender === undefined || principal.mode === 'test'
    const facts = { tenant: principal.tenant, stream, tags, senderDomain: content.fromDomain }
    return {
      tenant: principal.tenant,
      stream,
      via: input.via,
      credential: principal.credential,
      key: principal.key,
      mailFrom: input.mailFrom,
      headerFrom: content.headerFrom,
      subject: content.subject,
      messageIdHeader: content.messageId,
      tags,
      metadata: options.metadata ?? {},
      sendAt,
      expiresAt: (sendAt ?? now) + settings.maxAgeMs[stream],
      sandbox,
      // Of the message itself; a recipient's own address concerns only its delivery.
      quotas: sandbox
        ? undefined
        : quotasFor(deps.catalog.current, {
            tenant: principal.tenant,
            credential: principal.credential,
            domain: sender.id,
          }),
      smtpUtf8: input.smtpUtf8 && !(isAsciiText(input.mailFrom) && hasAsciiHeader(content.raw)),
      body: content.raw,
      recipients: recipients.map((to): NewRecipient => ({
        address: to.address,
        domain: to.domain,
        lane: sandbox
          ? undefined
          : deps.routing.peek({ ...facts, recipient: to.address, recipientDomain: to.domain }),
      })),
    }
  }

  async function keep(
    prepared: readonly Prepared[],
    idempotency: AcceptRequest['idempotency'],
  ): Promise<SubmitResult> {
    const spooled: string[] = []
    let result: AcceptResult | undefined
    try {
      const messages: NewMessage[] = []
      // One by one: when a file cannot be written, none is on its way that nobody would remove.
      for (const message of prepared) {
        if (message.body.length <= settings.spoolOverBytes) messages.push(message)
        else {
          const body = await deps.bodies.spool(message.body)
          spooled.push(body.spool)
          messages.push({ ...message, body })
        }
      }
      result = await deps.writer.accept({ messages, idempotency })
    } finally {
      // A file without its row would only wait for the sweep.
      if (result?.kind !== 'accepted')
        await Promise.all(spooled.map((name) => deps.bodies.unspool(name)))
    }
    if (result.kind === 'key-reused') throw new AppError('IDEMPOTENCY_KEY_REUSED')
    const [first] = prepared
    if (result.kind === 'over-quota') {
      if (first === undefined) throw new AppError('QUOTA_EXCEEDED')
      throw overQuota(deps.catalog.current, result.full, first.tenant, clock.now())
    }
    if (result.kind === 'accepted') wakeUp(prepared, result)
    return { replayed: result.kind === 'replayed', messages: result.messages }
  }

  function wakeUp(
    prepared: readonly Prepared[],
    result: Extract<AcceptResult, { messages: unknown }>,
  ): void {
    result.messages.forEach((message, i) => {
      const input = prepared[i]!
      if (input.sandbox) return
      deps.bodies.remember(message.id, input.body)
      message.deliveries.forEach((delivery, k) => {
        if (delivery.state !== 'queued') return
        if (delivery.lane === undefined) deps.wake.domain(input.recipients[k]!.domain)
        else deps.wake.lane(delivery.lane)
      })
    })
  }

  async function raw(submission: RawSubmission): Promise<SubmitResult> {
    refuseWhenClosed()
    const { principal, options } = submission
    if (submission.raw.length > settings.maxMessageBytes) throw new AppError('MESSAGE_TOO_BIG')
    const recipients = parseRecipients(submission.recipients, submission.smtpUtf8)
    checkMailFrom(submission.mailFrom, submission.smtpUtf8)
    deps.budget.check(principal, recipients.length)
    const inspection = inspectMessage(submission.raw, {
      repair: submission.repairNewlines,
      smtpUtf8: submission.smtpUtf8,
    })
    if (!inspection.ok)
      throw new AppError(inspection.code, {
        public: inspection.text,
        enhanced: inspection.enhanced,
      })
    const { posthorn } = inspection
    const prepared = prepare({
      principal,
      via: submission.via,
      mailFrom: submission.mailFrom,
      recipients,
      content: normalise(inspection, receivedLine(submission, settings.hostname, clock.now())),
      smtpUtf8: submission.smtpUtf8,
      options: {
        stream: options.stream ?? posthorn.stream,
        tags: options.tags ?? posthorn.tags,
        metadata: options.metadata ?? posthorn.metadata,
        sendAt: options.sendAt ?? posthorn.sendAt,
      },
    })
    const key = options.idempotencyKey ?? posthorn.idempotencyKey
    const idempotency =
      key === undefined ? undefined : { key, fingerprint: fingerprintOf(submission) }
    const result = await keep([prepared], idempotency)
    deps.budget.spend(principal, recipients.length)
    return result
  }

  async function prepareBuilt(
    principal: Principal,
    submission: BuiltSubmission,
  ): Promise<Prepared> {
    const now = clock.now()
    const { content, recipients } = await buildMessage(submission, {
      now,
      newMessageId: () => newMessageId(deps.random, now),
    })
    if (content.raw.length > settings.maxMessageBytes) throw new AppError('MESSAGE_TOO_BIG')
    refuseTooMany(recipients.length)
    return prepare({
      principal,
      via: 'api',
      mailFrom: content.headerFrom,
      recipients,
      content,
      smtpUtf8: true,
      options: submission.options,
    })
  }

  return {
    raw,
    async built(principal, batch, idempotency) {
      refuseWhenClosed()
      const prepared: Prepared[] = []
      for (const submission of batch) {
        try {
          prepared.push(await prepareBuilt(principal, submission))
        } catch (error) {
          throw error instanceof AppError ? error.below(submission.path) : error
        }
      }
      return keep(prepared, idempotency)
    },
    checkBudget: (principal) => {
      deps.budget.check(principal, 1)
    },
  }
}

function checkMailFrom(mailFrom: string, smtpUtf8: boolean): void {
  // The null sender of notices, RFC 5321 §4.5.5.
  if (mailFrom === '') return
  const parsed = parseAddress(mailFrom, { allowQuoted: true, smtpUtf8 })
  if (!parsed.ok)
    throw new AppError('SENDER_INVALID', {
      public: `The sender is not a valid address: ${parsed.reason}.`,
      fields: [{ path: 'from', message: parsed.reason }],
    })
}

/** RFC 5321 §4.4, without the client's address: whoever sends through us does not publish where its servers are. */
const receivedLine = (
  submission: RawSubmission,
  hostname: string,
  now: number,
): string | undefined =>
  submission.via === 'smtp'
    ? `Received: by ${hostname} (Posthorn) with ESMTP;\r\n ${formatMailDate(now)}\r\n`
    : undefined

const newMessageId = (random: Random, now: number): string =>
  `${now.toString(36)}.${random.bytes(12).toString('hex')}`

const isAsciiText = (text: string): boolean => Buffer.byteLength(text) === text.length

/** RFC 6532: a header in UTF-8 may only go where SMTPUTF8 is offered. */
function hasAsciiHeader(raw: Buffer): boolean {
  const end = raw.indexOf('\r\n\r\n')
  return isAscii(end < 0 ? raw : raw.subarray(0, end))
}
