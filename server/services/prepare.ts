/**
 * From a submission to a message that is ready to be kept: normalised, 7-bit safe, with its sender judged, its quotas
 * named, and each recipient's lane where it is known already. Asks no DNS, signs and writes nothing.
 */
import { isAscii } from 'node:buffer'
import type { ParsedAddress } from '../core/address.ts'
import { AppError } from '../core/errors.ts'
import type { Clock, Random } from '../core/ports.ts'
import type { NewMessage, NewRecipient, Stream } from '../core/work.ts'
import { downgradeMessage } from '../protocol/downgrade.ts'
import { formatMailDate } from '../protocol/date.ts'
import { inspectMessage } from '../protocol/inspect.ts'
import type { Inspection } from '../protocol/inspect.ts'
import { normaliseMessage } from '../protocol/normalise.ts'
import type { Principal } from './auth/principal.ts'
import { buildMessage } from './build-message.ts'
import type { Content } from './build-message.ts'
import type { Catalog } from './catalog.ts'
import { chargesOf } from './quota-charges.ts'
import type { Routing } from './routing.ts'
import { verifiedDomain } from './sender.ts'
import { checkSendAt, refuseTooMany } from './submit-checks.ts'
import type { BuiltSubmission, RawSubmission, SubmitOptions } from './submit-contract.ts'

export interface PrepareSettings {
  readonly hostname: string
  readonly maxMessageBytes: number
  readonly maxRecipients: number
  readonly scheduleAheadMs: number
  /** How long a delivery is tried, per stream. */
  readonly maxAgeMs: Readonly<Record<Stream, number>>
}

/** Ready to be kept, but for the body, which may still have to go to a spool file. */
export type Prepared = Omit<NewMessage, 'body'> & { readonly body: Buffer }

export interface Prepare {
  raw(
    submission: RawSubmission,
    recipients: readonly ParsedAddress[],
  ): { readonly message: Prepared; readonly idempotencyKey: string | undefined }
  built(principal: Principal, submission: BuiltSubmission): Promise<Prepared>
}

/** RFC 5322 §2.1.1, without CRLF. */
const MAX_LINE = 998

export function makePrepare(deps: {
  readonly catalog: Catalog
  readonly routing: Pick<Routing, 'peek'>
  readonly clock: Clock
  readonly random: Random
  readonly settings: PrepareSettings
}): Prepare {
  const { clock, settings } = deps

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
    const { tenant } = principal
    const now = clock.now()
    const stream = options.stream ?? 'transactional'
    const tags = options.tags ?? []
    const sendAt = checkSendAt(options.sendAt, { now, aheadMs: settings.scheduleAheadMs })
    const { current } = deps.catalog
    const verified = verifiedDomain(current, tenant, content.fromDomain)
    // What a test key sends is caught, whoever it says it is from.
    const sender = principal.mode === 'test' ? undefined : verified
    const facts = { tenant, stream, tags, senderDomain: content.fromDomain }
    const isCounted = sender !== undefined && options.uncounted !== true
    return {
      tenant,
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
      sandbox: sender === undefined,
      quota: isCounted ? chargesOf(current, principal, sender.id) : undefined,
      // Of the message itself; a recipient's own address concerns only its delivery.
      smtpUtf8: input.smtpUtf8 && !(isAsciiText(input.mailFrom) && hasAsciiHeader(content.raw)),
      body: content.raw,
      recipients: recipients.map((to): NewRecipient => ({
        address: to.address,
        domain: to.domain,
        lane:
          sender === undefined
            ? undefined
            : deps.routing.peek({ ...facts, recipient: to.address, recipientDomain: to.domain }),
      })),
    }
  }

  return {
    raw(submission, recipients) {
      const { principal, via, mailFrom, smtpUtf8, options } = submission
      const inspection = inspectMessage(submission.raw, {
        repair: submission.repairNewlines,
        smtpUtf8,
      })
      if (!inspection.ok)
        throw new AppError(inspection.code, {
          public: inspection.text,
          enhanced: inspection.enhanced,
        })
      const { posthorn } = inspection
      const message = prepare({
        principal,
        via,
        mailFrom,
        recipients,
        content: normalise(inspection, receivedLine(via, settings.hostname, clock.now())),
        smtpUtf8,
        options: {
          stream: options.stream ?? posthorn.stream,
          tags: options.tags ?? posthorn.tags,
          metadata: options.metadata ?? posthorn.metadata,
          sendAt: options.sendAt ?? posthorn.sendAt,
        },
      })
      return { message, idempotencyKey: options.idempotencyKey ?? posthorn.idempotencyKey }
    },

    async built(principal, submission) {
      const now = clock.now()
      const { content, recipients } = await buildMessage(submission, {
        now,
        newMessageId: () => newMessageId(deps.random, now),
      })
      if (content.raw.length > settings.maxMessageBytes) throw new AppError('MESSAGE_TOO_BIG')
      refuseTooMany(recipients.length, settings.maxRecipients)
      return prepare({
        principal,
        via: 'api',
        mailFrom: content.headerFrom,
        recipients,
        content,
        smtpUtf8: true,
        options: submission.options,
      })
    },
  }
}

/** RFC 5321 §4.4, without the client's address: whoever sends through us does not publish where its servers are. */
const receivedLine = (via: 'smtp' | 'api', hostname: string, now: number): string | undefined =>
  via === 'smtp'
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
