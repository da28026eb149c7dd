import { describe, expect, test } from 'vitest'
import {
  inspectMessage,
  type InspectOptions,
  type Inspection,
} from '../../../server/protocol/inspect.ts'

const FROM = 'From: Jane <jane@Example.com>\r\n'
const inspect = (text: string | Buffer, options: InspectOptions = {}) =>
  inspectMessage(typeof text === 'string' ? Buffer.from(text) : text, options)
const inspected = (text: string | Buffer, options: InspectOptions = {}): Inspection => {
  const result = inspect(text, options)
  if (!result.ok) throw new Error(result.text)
  return result
}
const bad = (text: string, code: string, why: string, options: InspectOptions = {}): void =>
  test(`${code}: ${why}`, () => {
    expect(inspect(text, options)).toMatchObject({ ok: false, code })
  })

describe('smuggling: no end of data but CRLF.CRLF can hide in a message', () => {
  const ends = [
    '\n.\n',
    '\n.\r\n',
    '\r\n.\n',
    '\r.\r',
    '\r.\r\n',
    '\r\n.\r',
    '\n.\r',
    '\r.\n',
    '\r\n.\r\r\n',
    '\r\r\n.\r\r\n',
    '\r\r\n.\r\n',
    '\n\n.\r\n',
    '\r\n\n.\r\n',
    '\r\n.\n\r',
    '\n\r.\n\r',
    '\0\n.\r\n',
    '\r\n\0.\n',
  ]
  for (const end of ends) {
    const smuggled = `MAIL FROM:<x@y.z>\r\nRCPT TO:<v@w.x>\r\nDATA\r\n`
    bad(`${FROM}\r\nHi${end}${smuggled}`, 'MESSAGE_BARE_NEWLINE', JSON.stringify(end))
  }
  for (const end of ['\r\n\0.\r\n', '\r\n.\0\r\n', '\r\0\n.\r\n'.replace('\r\0\n', '\r\n\0')]) {
    bad(`${FROM}\r\nHi${end}x\r\n`, 'MESSAGE_INVALID', `NUL in ${JSON.stringify(end)}`)
  }
  bad(`${FROM}X: a\nBcc: x\r\n\r\nHi\r\n`, 'MESSAGE_BARE_NEWLINE', 'in the header')
  bad(`${FROM}X: a\rBcc: x\r\n\r\nHi\r\n`, 'MESSAGE_BARE_NEWLINE', 'CR in the header')
  bad(`\n${FROM}\r\nHi\r\n`, 'MESSAGE_BARE_NEWLINE', 'as the first byte')
  bad(`${FROM}\r\nHi\r\n\n`, 'MESSAGE_BARE_NEWLINE', 'LF as the last byte')
  bad(`${FROM}\r\nHi\r`, 'MESSAGE_BARE_NEWLINE', 'CR as the last byte')
  bad('\n', 'MESSAGE_BARE_NEWLINE', 'LF alone')
  bad('\r', 'MESSAGE_BARE_NEWLINE', 'CR alone')

  test('a proper dot line is content', () => {
    expect(inspect(`${FROM}\r\nHi\r\n.\r\nthere\r\n`).ok).toBe(true)
  })
  test('far inside a large message, at the edges of the scan windows', () => {
    const line = `${'x'.repeat(98)}\r\n`
    const large = Buffer.from(`${FROM}\r\n${line.repeat(15_000)}`)
    expect(inspect(large).ok).toBe(true)
    for (const at of [512 * 1024 - 1, 512 * 1024, 1024 * 1024 - 7, large.length - 3]) {
      for (const byte of [10, 13]) {
        const copy = Buffer.from(large)
        copy[at] = byte
        // Beside a proper CRLF the byte would complete another line end.
        if (copy[at - 1] === 13 || copy[at + 1] === 10) copy[at + 2] = byte
        expect(inspect(copy), `byte ${byte} at ${at}`).toMatchObject({
          code: 'MESSAGE_BARE_NEWLINE',
        })
      }
    }
  })
  test('a line longer than a scan window', () => {
    const result = inspected(`${FROM}\r\n${'x'.repeat(1_200_000)}\r\ny\r\n`)
    expect(result.longestLine).toBe(1_200_000)
    expect(inspect(`${FROM}\r\n${'x'.repeat(1_200_000)}\ny\r\n`).ok).toBe(false)
  })
})

describe('repair', () => {
  test('every kind of line end becomes CRLF', () => {
    const { raw, header } = inspected('From: a@b.c\nSubject: x\r\n\nline\rline\n', { repair: true })
    expect(raw.toString()).toBe('From: a@b.c\r\nSubject: x\r\n\r\nline\r\nline\r\n')
    expect(header.subject).toBe('x')
  })
  test('a message that is fine is not copied', () => {
    const raw = Buffer.from(`${FROM}\r\nHi\r\n`)
    expect(inspected(raw, { repair: true }).raw).toBe(raw)
  })
  bad('From: a@b.c\n\n\0', 'MESSAGE_INVALID', 'NUL is not repaired', { repair: true })
})

describe('fields', () => {
  bad('Subject: x\r\n\r\nHi\r\n', 'SENDER_INVALID', 'no From')
  bad('From: a@b.c, d@e.f\r\n\r\n', 'SENDER_INVALID', 'two mailboxes')
  bad('From: undisclosed:;\r\n\r\n', 'SENDER_INVALID', 'no mailbox')
  bad('From: \r\n\r\n', 'SENDER_INVALID', 'empty From')
  bad('From: Jane\r\n\r\n', 'SENDER_INVALID', 'no address')
  bad('From: jörg@b.c\r\n\r\n', 'SENDER_INVALID', 'UTF-8 address without SMTPUTF8')
  for (const name of ['From', 'Date', 'Message-ID', 'Subject', 'To', 'Cc', 'Reply-To', 'Sender']) {
    bad(`${FROM}${name}: a@b.c\r\n${name.toLowerCase()}: a@b.c\r\n\r\n`, 'HEADER_INVALID', name)
  }
  bad(`${FROM}MIME-Version: 1.0\r\nMime-Version: 1.0\r\n\r\n`, 'HEADER_INVALID', 'MIME-Version')
  bad(`${FROM}nonsense\r\n\r\n`, 'HEADER_INVALID', 'line without a colon')
  bad(`${FROM}Subject : x\r\n\r\n`, 'HEADER_INVALID', 'space before the colon')
  bad(`${FROM}${'X: y\r\n'.repeat(1000)}\r\n`, 'MESSAGE_TOO_BIG', 'too many fields')
  bad(`${FROM}${`X: ${'y '.repeat(450)}\r\n`.repeat(300)}\r\n`, 'MESSAGE_TOO_BIG', 'header size')

  test('what policy and screens need is read', () => {
    const result = inspected(
      `${FROM}Subject: =?utf-8?Q?Gr=C3=BC=C3=9Fe?=\r\nMessage-ID:\r\n <x@y.z>\r\nDate: Tue, 03 Jun 2025 10:00:00 +0000\r\n\r\nHi\r\n`,
    )
    expect(result.header).toEqual({
      from: 'jane@example.com',
      fromDomain: 'example.com',
      fromName: 'Jane',
      subject: 'Grüße',
      messageId: 'x@y.z',
      date: Date.UTC(2025, 5, 3, 10),
    })
    expect(result).toMatchObject({ has8bit: false, fieldsToDrop: [], longestLine: 37 })
  })
  test('a UTF-8 From passes with SMTPUTF8', () => {
    expect(inspected('From: jörg@b.c\r\n\r\n', { smtpUtf8: true }).header.from).toBe('jörg@b.c')
  })
  test('8-bit is noticed in header and body', () => {
    expect(inspected(`${FROM}Subject: ü\r\n\r\nHi\r\n`).has8bit).toBe(true)
    expect(inspected(`${FROM}\r\nü\r\n`).has8bit).toBe(true)
  })
  test('unusable Date and Message-ID are to be replaced, in the order of the message', () => {
    const result = inspected(`Message-ID: x\r\nBcc: v@w.x\r\n${FROM}Date: yesterday\r\n\r\n`)
    expect(result.header).toMatchObject({ messageId: undefined, date: undefined })
    expect(result.fieldsToDrop.map((field) => field.name)).toEqual(['message-id', 'bcc', 'date'])
  })
  test('a subject is cut at 998 characters', () => {
    expect(inspected(`${FROM}Subject: ${'word '.repeat(300)}\r\n\r\n`).header.subject).toHaveLength(
      998,
    )
  })
})

describe('loops', () => {
  const through = (hops: number): string => 'Received: from a by b; x\r\n'.repeat(hops) + FROM
  test('50 hops pass, 51 do not', () => {
    expect(inspect(`${through(50)}\r\n`).ok).toBe(true)
    expect(inspect(`${through(51)}\r\n`)).toMatchObject({
      code: 'MESSAGE_INVALID',
      enhanced: '5.4.6',
    })
  })
})

describe('long lines', () => {
  test('are reported, or refused by option', () => {
    const text = `${FROM}\r\n${'x'.repeat(999)}\r\n`
    expect(inspected(text).longestLine).toBe(999)
    expect(inspect(text, { refuseLongLines: true })).toMatchObject({
      code: 'MESSAGE_LINE_TOO_LONG',
    })
    expect(inspect(`${FROM}\r\n${'x'.repeat(998)}\r\n`, { refuseLongLines: true }).ok).toBe(true)
  })
  test('in the header pass only when they can be folded', () => {
    expect(inspect(`${FROM}X-A: ${'word '.repeat(300)}\r\n\r\n`).ok).toBe(true)
    expect(inspect(`${FROM}To: ${'a@b.example,'.repeat(200)}\r\n\r\n`).ok).toBe(true)
    expect(inspect(`${FROM}X-A: ${'x'.repeat(1200)}\r\n\r\n`)).toMatchObject({
      code: 'MESSAGE_LINE_TOO_LONG',
    })
  })
})

describe('X-Posthorn-* fields', () => {
  const control = (fields: string) => inspected(`${fields}${FROM}\r\n`).posthorn
  const wrong = (field: string, code: string, why: string): void =>
    bad(`${FROM}${field}\r\n\r\n`, code, why)

  test('none', () => {
    expect(control('')).toEqual({
      tags: [],
      metadata: {},
      stream: undefined,
      sendAt: undefined,
      idempotencyKey: undefined,
    })
  })
  test('all of them', () => {
    expect(
      control(
        'X-Posthorn-Tag: a, b\r\nx-posthorn-tag: b,c,\r\nX-Posthorn-Metadata: {"k":"v",\r\n "l":"w"}\r\nX-Posthorn-Metadata: order = 7=8\r\nX-Posthorn-Stream: Bulk\r\nX-Posthorn-Send-At: 2025-06-03T12:00:00+02:00\r\nX-Posthorn-Idempotency-Key: k-1\r\n',
      ),
    ).toEqual({
      tags: ['a', 'b', 'c'],
      metadata: { k: 'v', l: 'w', order: '7=8' },
      stream: 'bulk',
      sendAt: Date.UTC(2025, 5, 3, 10),
      idempotencyKey: 'k-1',
    })
  })
  test('epoch seconds; encoded words; a key that is no prototype', () => {
    expect(control('X-Posthorn-Send-At: 1748944800\r\n').sendAt).toBe(Date.UTC(2025, 5, 3, 10))
    expect(control('X-Posthorn-Tag: =?utf-8?Q?=C3=BC?=\r\n').tags).toEqual(['ü'])
    const { metadata } = control('X-Posthorn-Metadata: {"__proto__":"x"}\r\n')
    expect(Object.entries(metadata)).toEqual([['__proto__', 'x']])
  })
  test('all are dropped, unknown ones too', () => {
    const { fieldsToDrop } = inspected(`X-Posthorn-Tag: a\r\n${FROM}X-Posthorn-New: b\r\n\r\n`)
    expect(fieldsToDrop.map((field) => field.name)).toEqual(['x-posthorn-tag', 'x-posthorn-new'])
  })
  wrong('X-Posthorn-Metadata: {"a":1}', 'HEADER_INVALID', 'a number as metadata')
  wrong('X-Posthorn-Metadata: {"a":', 'HEADER_INVALID', 'broken JSON')
  wrong('X-Posthorn-Metadata: nonsense', 'HEADER_INVALID', 'neither JSON nor a pair')
  wrong('X-Posthorn-Metadata: =x', 'HEADER_INVALID', 'no key')
  wrong(`X-Posthorn-Tag: ${'x'.repeat(129)}`, 'HEADER_INVALID', 'a long tag')
  wrong('X-Posthorn-Tag: a,b,c,d,e,f,g,h,i,j,k', 'HEADER_INVALID', 'eleven tags')
  wrong(
    `X-Posthorn-Metadata: a=${'x'.repeat(900)}\r\nX-Posthorn-Metadata: ${'k'.repeat(65)}=v`,
    'HEADER_INVALID',
    'a long key',
  )
  wrong('X-Posthorn-Stream: other', 'STREAM_UNKNOWN', 'another stream')
  wrong('X-Posthorn-Stream: bulk\r\nX-Posthorn-Stream: bulk', 'HEADER_INVALID', 'two streams')
  wrong('X-Posthorn-Send-At: tomorrow', 'SEND_AT_INVALID', 'words')
  wrong('X-Posthorn-Send-At: 2025-02-31T10:00:00Z', 'SEND_AT_INVALID', 'no such day')
  wrong('X-Posthorn-Send-At: 2025-06-03T10:00:00', 'SEND_AT_INVALID', 'no zone')
  wrong('X-Posthorn-Idempotency-Key: a b', 'IDEMPOTENCY_KEY_INVALID', 'a space')
})
