/**
 * One mail transaction between MAIL and DATA: who sends to whom. Syntax and limits only; whether the sender may use its
 * domain is decided by the submit service, with the message in hand.
 */
import { parseAddress } from '../core/address.ts'
import type { Principal } from '../services/auth/principal.ts'
import { readMailParams, refuseRcptParams } from './esmtp-params.ts'
import { readArguments } from './path.ts'
import { reply, replyText } from './replies.ts'
import type { Reply } from './replies.ts'

export interface Transaction {
  readonly principal: Principal
  /** Empty for the null sender. */
  readonly mailFrom: string
  readonly smtpUtf8: boolean
  /** Octets. */
  readonly sizeLimit: number
  readonly recipients: string[]
}
export type Begun =
  | { readonly ok: true; readonly transaction: Transaction }
  | { readonly ok: false; readonly reply: Reply }

export const RECIPIENT_OK = reply(250, '2.1.5', 'Recipient accepted')

/** A command that is malformed, as opposed to one that is refused for what it says. */
export const isSyntaxFault = ({ code }: Reply): boolean => code === 501 || code === 555

const no = (code: number, enhanced: string, text: string): Begun => ({
  ok: false,
  reply: reply(code, enhanced, text),
})

/** Reads a MAIL command (as latin1). `sizeLimit` is what this principal may send, in octets. */
export function beginTransaction(line: string, principal: Principal, sizeLimit: number): Begun {
  const args = readArguments(line, 'MAIL', 'FROM')
  if (!args.ok) return no(501, '5.5.4', args.text)
  const params = readMailParams(args.params)
  if (!params.ok) return params
  if (params.size !== undefined && params.size > sizeLimit)
    return no(552, '5.3.4', `The message is larger than ${sizeLimit} octets.`)
  const { smtpUtf8 } = params
  if (args.path === '')
    return {
      ok: true,
      transaction: { principal, mailFrom: '', smtpUtf8, sizeLimit, recipients: [] },
    }
  const parsed = parseAddress(args.path, { smtpUtf8, allowQuoted: true })
  if (!parsed.ok)
    return { ok: false, reply: badAddress(args.path, smtpUtf8, '5.1.7', parsed.reason) }
  const mailFrom = parsed.address
  return { ok: true, transaction: { principal, mailFrom, smtpUtf8, sizeLimit, recipients: [] } }
}

/** Reads a RCPT command (as latin1) and adds its recipient, or says why not. */
export function addRecipient(
  { recipients, smtpUtf8 }: Transaction,
  line: string,
  maxRecipients: number,
): Reply {
  const args = readArguments(line, 'RCPT', 'TO')
  if (!args.ok) return reply(501, '5.5.4', args.text)
  const refused = args.params.size === 0 ? undefined : refuseRcptParams(args.params)
  if (refused !== undefined) return refused
  const parsed = parseAddress(args.path, { smtpUtf8, allowQuoted: true })
  if (!parsed.ok) return badAddress(args.path, smtpUtf8, '5.1.3', parsed.reason)
  // RFC 5321 §4.5.3.1.10: the client sends the others in another transaction.
  if (recipients.length >= maxRecipients)
    return reply(452, '4.5.3', `At most ${maxRecipients} recipients in one transaction.`)
  recipients.push(parsed.address)
  return RECIPIENT_OK
}

function badAddress(path: string, smtpUtf8: boolean, enhanced: string, reason: string): Reply {
  const text = replyText(`The address is not valid: ${reason}.`)
  // RFC 6531 §3.5: the address would do, had the client asked for SMTPUTF8.
  if (!smtpUtf8 && parseAddress(path, { smtpUtf8: true, allowQuoted: true }).ok)
    return reply(553, '5.6.7', text)
  return reply(553, enhanced, text)
}
