/** MAIL and RCPT: paths, parameters, and what each mistake is answered with. */
import { describe, expect, test } from 'vitest'
import { asId } from '../../../server/core/ids.ts'
import type { Principal } from '../../../server/services/auth/principal.ts'
import { readArguments } from '../../../server/smtp/path.ts'
import { addRecipient, beginTransaction } from '../../../server/smtp/transaction.ts'

const principal: Principal = {
  tenant: asId('tenant', 1),
  credential: undefined,
  key: undefined,
  name: 'app',
  scopes: ['messages:send'],
  mode: 'live',
  limits: {},
}
const LIMIT = 1_000_000
/** As it comes from the wire: UTF-8 octets, read as latin1. */
const wire = (text: string): string => Buffer.from(text).toString('latin1')

function mail(line: string): string {
  const begun = beginTransaction(wire(line), principal, LIMIT)
  return begun.ok ? begun.transaction.mailFrom : `${begun.reply.code} ${begun.reply.enhanced}`
}
function rcpt(line: string, smtpUtf8 = false): string {
  const recipients: string[] = []
  const transaction = { principal, mailFrom: '', smtpUtf8, sizeLimit: LIMIT, recipients }
  const { code, enhanced } = addRecipient(transaction, wire(line), 10)
  return recipients[0] ?? `${code} ${enhanced}`
}

describe('MAIL', () => {
  const good: [line: string, mailFrom: string, why: string][] = [
    ['MAIL FROM:<a@b.example>', 'a@b.example', 'plain'],
    ['mail from:<a@b.example>', 'a@b.example', 'commands have no case'],
    ['MAIL FROM: <a@b.example>', 'a@b.example', 'white space after the colon is tolerated'],
    ['MAIL FROM:<>', '', 'the null sender'],
    ['MAIL FROM:<a@B.Example>', 'a@b.example', 'domains have no case'],
    ['MAIL FROM:<@r.example,@s.example:a@b.example>', 'a@b.example', 'a source route is ignored'],
    ['MAIL FROM:<"a b>c"@b.example>', '"a b>c"@b.example', 'a bracket inside quotes'],
    ['MAIL FROM:<a@b.example> SIZE=1000000', 'a@b.example', 'the size as allowed'],
    ['MAIL FROM:<a@b.example>  BODY=8BITMIME  SIZE=1 ', 'a@b.example', 'more white space'],
    ['MAIL FROM:<a@b.example> BODY=7bit', 'a@b.example', 'values without case'],
    ['MAIL FROM:<a@b.example> RET=HDRS ENVID=QQ+2B1', 'a@b.example', 'DSN'],
    ['MAIL FROM:<a@b.example> AUTH=<>', 'a@b.example', 'RFC 4954 §5'],
    ['MAIL FROM:<ä@b.example> SMTPUTF8', 'ä@b.example', 'RFC 6531'],
    [
      'MAIL FROM:<a@bücher.example>',
      'a@xn--bcher-kva.example',
      'the domain alone needs no SMTPUTF8',
    ],
  ]
  test.each(good)('%s', (line, mailFrom) => {
    expect(mail(line)).toBe(mailFrom)
  })
  const bad: [line: string, reply: string, why: string][] = [
    ['MAIL', '501 5.5.4', 'no argument'],
    ['MAIL FROM', '501 5.5.4', 'no colon'],
    ['MAIL TO:<a@b.example>', '501 5.5.4', 'the wrong word'],
    ['MAIL FROM:a@b.example', '501 5.5.4', 'no brackets'],
    ['MAIL FROM:<a@b.example', '501 5.5.4', 'no end'],
    ['MAIL FROM:<"a@b.example>', '501 5.5.4', 'a quote without end'],
    ['MAIL FROM:<a@b.example>SIZE=1', '501 5.5.4', 'no space before the parameters'],
    ['MAIL FROM:<a@b.example> SIZE=1 SIZE=2', '501 5.5.4', 'twice'],
    ['MAIL FROM:<a@b.example> SIZE=-1', '501 5.5.4', 'not a number'],
    ['MAIL FROM:<a@b.example> SIZE', '501 5.5.4', 'without its value'],
    ['MAIL FROM:<a@b.example> BODY=BINARYMIME', '501 5.5.4', 'not announced'],
    ['MAIL FROM:<a@b.example> SMTPUTF8=1', '501 5.5.4', 'takes no value'],
    ['MAIL FROM:<a@b.example> RET=ALL', '501 5.5.4', 'neither FULL nor HDRS'],
    ['MAIL FROM:<a@b.example> ENVID=a+0d', '501 5.5.4', 'xtext is in upper case'],
    ['MAIL FROM:<a@b.example> =x', '501 5.5.4', 'no keyword'],
    ['MAIL FROM:<a@b.example> X-UNKNOWN=1', '555 5.5.4', 'RFC 5321 §4.1.1.11'],
    ['MAIL FROM:<a@b.example> SIZE=1000001', '552 5.3.4', 'too large'],
    ['MAIL FROM:<a@b.example> SIZE=99999999999999999999', '552 5.3.4', 'far too large'],
    ['MAIL FROM:<a>', '553 5.1.7', 'no domain'],
    ['MAIL FROM:<a@b>', '553 5.1.7', 'a domain without a dot'],
    ['MAIL FROM:<a b@b.example>', '553 5.1.7', 'a space'],
    ['MAIL FROM:<<a@b.example>>', '501 5.5.4', 'brackets in brackets'],
    ['MAIL FROM:<a@[192.0.2.1]>', '553 5.1.7', 'an address literal'],
    ['MAIL FROM:<ä@b.example>', '553 5.6.7', 'SMTPUTF8 was not asked for'],
  ]
  test.each(bad)('%s is refused with %s: %s', (line, reply) => {
    expect(mail(line)).toBe(reply)
  })
  test('octets that are not UTF-8 are not guessed at', () => {
    const begun = beginTransaction('MAIL FROM:<\xe4@b.example> SMTPUTF8', principal, LIMIT)
    expect(begun).toMatchObject({ ok: false, reply: { code: 501 } })
  })
  test('the reason is told', () => {
    const begun = beginTransaction('MAIL FROM:<a..b@b.example>', principal, LIMIT)
    expect(begun).toMatchObject({ reply: { text: expect.stringContaining('two dots') as string } })
  })
})

describe('RCPT', () => {
  const cases: [line: string, result: string, why: string][] = [
    ['RCPT TO:<a@b.example>', 'a@b.example', 'plain'],
    ['RCPT TO:<a@b.example> NOTIFY=NEVER', 'a@b.example', 'DSN'],
    ['RCPT TO:<a@b.example> NOTIFY=SUCCESS,DELAY ORCPT=rfc822;x+40y.example', 'a@b.example', 'DSN'],
    ['RCPT TO:<a@b.example> NOTIFY=NEVER,SUCCESS', '501 5.5.4', 'NEVER stands alone'],
    ['RCPT TO:<a@b.example> NOTIFY=', '501 5.5.4', 'no value'],
    ['RCPT TO:<a@b.example> ORCPT=x', '501 5.5.4', 'no address type'],
    ['RCPT TO:<a@b.example> SIZE=1', '555 5.5.4', 'a parameter of MAIL'],
    ['RCPT TO:<>', '553 5.1.3', 'nobody'],
    ['RCPT TO:<postmaster>', '553 5.1.3', 'there is no local postmaster to submit to'],
    ['RCPT TO:<a@b..example>', '553 5.1.3', 'an empty label'],
    ['RCPT TO:<ä@b.example>', '553 5.6.7', 'SMTPUTF8 was not asked for'],
    ['RCPT FROM:<a@b.example>', '501 5.5.4', 'the wrong word'],
  ]
  test.each(cases)('%s gives %s: %s', (line, result) => {
    expect(rcpt(line)).toBe(result)
  })
  test('UTF-8 local parts, once asked for', () => {
    expect(rcpt('RCPT TO:<ä@b.example>', true)).toBe('ä@b.example')
  })
  test('more than allowed are for another transaction', () => {
    const transaction = { principal, mailFrom: '', smtpUtf8: false, sizeLimit: 1, recipients: [] }
    expect(addRecipient(transaction, 'RCPT TO:<a@b.example>', 1).code).toBe(250)
    expect(addRecipient(transaction, 'RCPT TO:<c@b.example>', 1)).toMatchObject({
      code: 452,
      enhanced: '4.5.3',
    })
    expect(transaction.recipients).toEqual(['a@b.example'])
  })
})

test('a hostile path costs no time', () => {
  const route = '@a,'.repeat(1_300)
  const started = performance.now()
  readArguments(`MAIL FROM:<${route}>`, 'MAIL', 'FROM')
  expect(performance.now() - started).toBeLessThan(100)
})
