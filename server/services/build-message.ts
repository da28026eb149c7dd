/** From an API request's fields to a message and its envelope: addresses are parsed, bytes are composed. */
import { parseAddress } from '../core/address.ts'
import type { ParsedAddress } from '../core/address.ts'
import { AppError } from '../core/errors.ts'
import { composeMessage } from '../delivery/compose.ts'
import { parseMailboxes } from '../protocol/mailbox.ts'
import type { ParsedMailbox } from '../protocol/mailbox.ts'
import type { BuiltSubmission } from './submit-contract.ts'

/** What is kept of a message, however it came in. */
export interface Content {
  readonly raw: Buffer
  readonly headerFrom: string
  readonly fromDomain: string
  readonly subject: string
  readonly messageId: string
}

interface BuildFacts {
  readonly now: number
  readonly newMessageId: () => string
}

/** Throws AppError with field paths such as `to/1`. */
export async function buildMessage(
  submission: BuiltSubmission,
  facts: BuildFacts,
): Promise<{ content: Content; recipients: ParsedAddress[] }> {
  const [from, another] = parseList([submission.from], 'from')
  if (from === undefined || another !== undefined)
    throw new AppError('SENDER_INVALID', {
      fields: [{ path: 'from', message: 'exactly one address is needed' }],
    })
  const to = parseList(submission.to, 'to')
  const cc = parseList(submission.cc, 'cc')
  const bcc = parseList(submission.bcc, 'bcc')
  const recipients = envelopeOf([...to, ...cc, ...bcc])
  if (recipients.length === 0)
    throw new AppError('RECIPIENTS_MISSING', {
      fields: [{ path: 'to', message: 'at least one of to, cc, bcc is needed' }],
    })
  const fromDomain = from.parts.domain
  const composed = await composeMessage(
    {
      from,
      to,
      cc,
      replyTo: parseList(submission.replyTo, 'replyTo'),
      subject: submission.subject,
      text: submission.text,
      html: submission.html,
      headers: submission.headers,
      attachments: submission.attachments.map((attachment) => ({
        ...attachment,
        disposition: attachment.disposition ?? 'attachment',
      })),
    },
    { now: facts.now, messageId: `${facts.newMessageId()}@${fromDomain}` },
  )
  return { content: { ...composed, fromDomain }, recipients }
}

function parseList(texts: readonly string[], path: string): ParsedMailbox[] {
  return texts.flatMap((text, i) => {
    const plain = parseAddress(text, { smtpUtf8: true })
    if (plain.ok) return [{ name: '', address: plain.address, parts: plain }]
    const list = parseMailboxes(text, { smtpUtf8: true, allowQuoted: true })
    if (list.ok) return list.mailboxes
    throw new AppError('ADDRESS_INVALID', {
      public: `An address is not valid: ${list.reason}.`,
      fields: [{ path: texts.length > 1 ? `${path}/${i}` : path, message: list.reason }],
    })
  })
}

/** Each address once, in the order given. */
function envelopeOf(mailboxes: readonly ParsedMailbox[]): ParsedAddress[] {
  const unique = new Map<string, ParsedAddress>()
  for (const { parts } of mailboxes) unique.set(parts.address, parts)
  return [...unique.values()]
}
