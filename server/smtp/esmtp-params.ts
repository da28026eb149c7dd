/**
 * The parameters of MAIL and RCPT that we announce: SIZE (RFC 1870), BODY (RFC 6152), SMTPUTF8 (RFC 6531), DSN
 * (RFC 3461), AUTH (RFC 4954). Pure. The DSN parameters are checked and then let go: outcomes are told by events.
 */
import { reply } from './replies.ts'
import type { Reply } from './replies.ts'

type Params = ReadonlyMap<string, string | undefined>

export interface MailParams {
  readonly ok: true
  /** Bytes the client announces; undefined when it does not. */
  readonly size: number | undefined
  readonly smtpUtf8: boolean
}
export interface ParamsRefused {
  readonly ok: false
  readonly reply: Reply
}

const PLAIN: MailParams = { ok: true, size: undefined, smtpUtf8: false }

/** RFC 3461 §4: xtext. */
const XTEXT = /^(?:[!-*,-<>-~]|\+[0-9A-F]{2})+$/
const ORCPT = /^[a-z0-9-]+;(?:[!-*,-<>-~]|\+[0-9A-F]{2})+$/i
/** RFC 6533 §3: utf-8-addr-xtext may carry UTF-8 as it is. */
const ORCPT_UTF8 = /^utf-8;[^\x00-\x20=\x7f-\x9f]+$/i
const MAX_ENVID = 100
const MAX_ORCPT = 500

const refused = (code: number, enhanced: string, text: string): ParamsRefused => ({
  ok: false,
  reply: reply(code, enhanced, text),
})
const bad = (text: string): ParamsRefused => refused(501, '5.5.4', text)

export function readMailParams(params: Params): MailParams | ParamsRefused {
  if (params.size === 0) return PLAIN
  let size: number | undefined
  let smtpUtf8 = false
  for (const [name, value = ''] of params) {
    switch (name) {
      case 'SIZE':
        if (!/^\d{1,20}$/.test(value)) return bad('SIZE needs a number of octets.')
        size = Number(value)
        break
      case 'BODY':
        if (!/^(?:7BIT|8BITMIME)$/i.test(value)) return bad('BODY must be 7BIT or 8BITMIME.')
        break
      case 'SMTPUTF8':
        if (params.get(name) !== undefined) return bad('SMTPUTF8 takes no value.')
        smtpUtf8 = true
        break
      case 'RET':
        if (!/^(?:FULL|HDRS)$/i.test(value)) return bad('RET must be FULL or HDRS.')
        break
      case 'ENVID':
        if (value.length > MAX_ENVID || !XTEXT.test(value)) return bad('ENVID is not valid xtext.')
        break
      case 'AUTH':
        // RFC 4954 §5: the claim about the author is ignored, as we never pass it on.
        if (value === '') return bad('AUTH needs a value.')
        break
      default:
        return refused(555, '5.5.4', `The parameter ${name} is not known here.`)
    }
  }
  return { ok: true, size, smtpUtf8 }
}

const NOTIFY = /^(?:NEVER|(?:SUCCESS|FAILURE|DELAY)(?:,(?:SUCCESS|FAILURE|DELAY))*)$/i

/** Undefined: nothing to object to. */
export function refuseRcptParams(params: Params): Reply | undefined {
  for (const [name, value = ''] of params) {
    switch (name) {
      case 'NOTIFY':
        if (!NOTIFY.test(value))
          return bad('NOTIFY must be NEVER, or a list of SUCCESS, FAILURE and DELAY.').reply
        break
      case 'ORCPT':
        if (value.length > MAX_ORCPT || !(ORCPT.test(value) || ORCPT_UTF8.test(value)))
          return bad('ORCPT must be an address type, a semicolon and xtext.').reply
        break
      default:
        return refused(555, '5.5.4', `The parameter ${name} is not known here.`).reply
    }
  }
  return undefined
}
