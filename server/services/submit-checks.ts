/** What of a submission is refused before anything is built: envelope addresses, their number, the wished time. */
import { parseAddress } from '../core/address.ts'
import type { ParsedAddress } from '../core/address.ts'
import { AppError } from '../core/errors.ts'

const DAY_MS = 86_400_000

/** Folds duplicates. RECIPIENTS_MISSING, ADDRESS_INVALID with the field, RECIPIENTS_TOO_MANY. */
export function parseRecipients(
  texts: readonly string[],
  { smtpUtf8, most }: { readonly smtpUtf8: boolean; readonly most: number },
): ParsedAddress[] {
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
  refuseTooMany(unique.size, most)
  return [...unique.values()]
}

export function refuseTooMany(recipients: number, most: number): void {
  if (recipients <= most) return
  throw new AppError('RECIPIENTS_TOO_MANY', {
    public: `The message has ${recipients} recipients; at most ${most} are allowed.`,
  })
}

/** SENDER_INVALID. */
export function checkMailFrom(mailFrom: string, smtpUtf8: boolean): void {
  // The null sender of notices, RFC 5321 §4.5.5.
  if (mailFrom === '') return
  const parsed = parseAddress(mailFrom, { allowQuoted: true, smtpUtf8 })
  if (!parsed.ok)
    throw new AppError('SENDER_INVALID', {
      public: `The sender is not a valid address: ${parsed.reason}.`,
      fields: [{ path: 'from', message: parsed.reason }],
    })
}

/** Epoch ms; undefined: now, which a time of yesterday also means. SEND_AT_INVALID. */
export function checkSendAt(
  sendAt: number | undefined,
  { now, aheadMs }: { readonly now: number; readonly aheadMs: number },
): number | undefined {
  if (sendAt === undefined) return undefined
  if (sendAt > now + aheadMs || sendAt < now - DAY_MS)
    throw new AppError('SEND_AT_INVALID', {
      public: `sendAt must lie between yesterday and ${Math.round(aheadMs / DAY_MS)} days from now.`,
      fields: [{ path: 'sendAt', message: 'out of range' }],
    })
  return sendAt > now ? sendAt : undefined
}
