import { describe, expect, test } from 'vitest'
import { composeMessage } from '../../../server/delivery/compose.ts'
import type { Mailbox } from '../../../server/protocol/mailbox.ts'
import { BASE, FACTS, box, compose, one, refusal } from '../../support/compose.ts'
import { decodedWords } from '../../support/mime-tree.ts'

describe('header', () => {
  test('has every field once, and nothing of the blind copies', async () => {
    const blind = { ...BASE, bcc: [box('secret@b.test')], text: 'Hi' }
    const { raw, ...facts } = await composeMessage(
      {
        ...blind,
        cc: [box('c@b.test')],
        replyTo: [box('help@a.test', 'Help')],
        headers: { 'X-Order': '1' },
      },
      FACTS,
    )
    expect(facts).toEqual({
      headerFrom: 'shop@a.test',
      subject: 'Your order',
      messageId: FACTS.messageId,
    })
    expect(raw.toString()).toBe(
      'From: Shop <shop@a.test>\r\nTo: bob@b.test\r\nCc: c@b.test\r\nReply-To: Help <help@a.test>\r\n' +
        'Subject: Your order\r\nDate: Sun, 15 Jun 2025 15:06:40 +0000\r\nMessage-ID: <01jxt4kq8b@mta.test>\r\n' +
        'X-Order: 1\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n' +
        'Content-Transfer-Encoding: 7bit\r\n\r\nHi\r\n',
    )
  })

  test.each<[reason: string, subject: string, expected: string]>([
    ['plain', 'Your order', 'Your order'],
    ['empty', '', ''],
    ['accents', 'Grüße aus München', 'Grüße aus München'],
    ['long and beyond ASCII', `${'日本語 '.repeat(60)}end`, `${'日本語 '.repeat(60)}end`],
    ['emoji are not cut', '🎉'.repeat(40), '🎉'.repeat(40)],
    ['long ASCII', `${'word '.repeat(60)}end`, `${'word '.repeat(60)}end`],
    ['looks encoded', 'a =?utf-8?Q?b?= c', 'a =?utf-8?Q?b?= c'],
    ['line end at the end', 'Hi\r\n', 'Hi'],
    ['injection', 'Hi\r\nBcc: eve@e.test', 'Hi Bcc: eve@e.test'],
    ['injection with bare LF', 'Hi\n\n<script>', 'Hi <script>'],
    ['controls', 'a\0b\x1bc', 'a b c'],
  ])('subject: %s', async (_reason, subject, expected) => {
    const message = await compose({ subject, text: 'Hi' })
    expect(decodedWords(one(message, 'subject')!)).toBe(expected)
    expect(message.headers.has('bcc')).toBe(false)
    const { subject: reported } = await composeMessage({ ...BASE, subject, text: 'Hi' }, FACTS)
    expect(reported).toBe(expected)
  })

  test.each<[reason: string, mailbox: Mailbox, expected: string]>([
    ['no name', box('a@a.test'), 'a@a.test'],
    ['words', box('a@a.test', 'Ann Lee'), 'Ann Lee <a@a.test>'],
    ['comma', box('a@a.test', 'Lee, Ann'), '"Lee, Ann" <a@a.test>'],
    ['quote and backslash', box('a@a.test', 'A "B" \\'), '"A \\"B\\" \\\\" <a@a.test>'],
    ['beyond ASCII', box('a@a.test', 'Jörg Müller'), 'Jörg Müller <a@a.test>'],
    ['injection', box('a@a.test', 'A\r\nBcc: eve@e.test'), '"A  Bcc: eve@e.test" <a@a.test>'],
    ['an address as name', box('a@a.test', 'eve@e.test'), '"eve@e.test" <a@a.test>'],
    ['quoted local part', box('"a b"@a.test', 'Ann'), 'Ann <"a b"@a.test>'],
  ])('mailbox: %s', async (_reason, mailbox, expected) => {
    const message = await compose({ from: mailbox, to: [mailbox], text: 'Hi' })
    expect(decodedWords(one(message, 'from')!)).toBe(expected)
    expect(decodedWords(one(message, 'to')!)).toBe(expected)
  })

  test('a thousand recipients are folded', async () => {
    const to = Array.from({ length: 1000 }, (_, i) => box(`user${i}@b.test`, `User ${i}`))
    expect(one(await compose({ to, text: 'Hi' }), 'to')!.split(', ')).toHaveLength(1000)
  })

  test('without To and Cc there is an empty group', async () => {
    expect(one(await compose({ to: [], text: 'Hi' }), 'to')).toBe('undisclosed-recipients:;')
    const copied = await compose({ to: [], cc: [box('c@b.test')], text: 'Hi' })
    expect([one(copied, 'to'), one(copied, 'cc')]).toEqual([undefined, 'c@b.test'])
  })

  test('an address that needs SMTPUTF8 stays as it is', async () => {
    const { raw } = await composeMessage({ ...BASE, to: [box('jörg@b.test')], text: 'Hi' }, FACTS)
    expect(raw.toString('utf8')).toContain('\r\nTo: jörg@b.test\r\n')
  })
})

describe('custom headers', () => {
  test.each<[name: string, value: string, expected: string]>([
    ['X-Order', '17', '17'],
    ['x-note', 'Grüße', 'Grüße'],
    [
      'List-Unsubscribe',
      '<https://u.test/1>, <mailto:u@a.test>',
      '<https://u.test/1>, <mailto:u@a.test>',
    ],
    [
      'References',
      '<12345678901234567890@a.test> '.repeat(20).trim(),
      '<12345678901234567890@a.test> '.repeat(20).trim(),
    ],
    ['X-Tab', 'a\tb', 'a b'],
    ['X-Space', '  a  ', 'a'],
  ])('%s: %j is sent', async (name, value, expected) => {
    const message = await compose({ headers: { [name]: value }, text: 'Hi' })
    expect(decodedWords(one(message, name.toLowerCase())!)).toBe(expected)
  })

  test.each([
    'From',
    'sender',
    'To',
    'Cc',
    'BCC',
    'Reply-To',
    'Subject',
    'Date',
    'Message-ID',
    'MIME-Version',
    'Received',
    'Return-Path',
    'DKIM-Signature',
    'Content-Type',
    'content-transfer-encoding',
    'Content-X',
    'Resent-From',
    'ARC-Seal',
    'Authentication-Results',
  ])('%s is forbidden', async (name) => {
    const error = await refusal({ headers: { 'X-Fine': '1', [name]: 'x' }, text: 'Hi' })
    expect(error.code).toBe('HEADER_FORBIDDEN')
    expect(error.fields.map((field) => field.path)).toEqual([`headers/${name}`])
  })

  test.each<[reason: string, headers: Record<string, string>, path: string]>([
    ['CRLF in the value', { 'X-A': 'b\r\nBcc: eve@e.test' }, 'headers/X-A'],
    ['LF in the value', { 'X-A': 'b\nc' }, 'headers/X-A'],
    ['CR in the value', { 'X-A': 'b\rc' }, 'headers/X-A'],
    ['NUL in the value', { 'X-A': 'b\0c' }, 'headers/X-A'],
    ['no value', { 'X-A': ' ' }, 'headers/X-A'],
    ['colon in the name', { 'X-A:b': 'c' }, 'headers/X-A:b'],
    ['space in the name', { 'X A': 'c' }, 'headers/X A'],
    ['CRLF in the name', { 'X-A\r\nBcc': 'c' }, 'headers/X-A\r\nBcc'],
    ['name beyond ASCII', { 'X-Ä': 'c' }, 'headers/X-Ä'],
    ['no name', { '': 'c' }, 'headers/'],
    ['long name', { ['X'.repeat(77)]: 'c' }, `headers/${'X'.repeat(77)}`],
    ['twice in two spellings', { 'X-A': '1', 'x-a': '2' }, 'headers/x-a'],
    ['a word that fits no line', { 'X-A': 'x'.repeat(1200) }, 'headers/X-A'],
    [
      'machine-read field beyond ASCII',
      { 'List-Unsubscribe': '<https://ü.test>' },
      'headers/List-Unsubscribe',
    ],
  ])('invalid: %s', async (_reason, headers, path) => {
    const error = await refusal({ headers, text: 'Hi' })
    expect(error.code).toBe('HEADER_INVALID')
    expect(error.fields.map((field) => field.path)).toEqual([path])
  })

  test('a subject with a word that fits no line is refused', async () => {
    const error = await refusal({ subject: 'x'.repeat(1200), text: 'Hi' })
    expect([error.code, error.fields[0]?.path]).toEqual(['HEADER_INVALID', 'subject'])
  })
})
