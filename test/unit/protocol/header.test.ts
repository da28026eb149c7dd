import { describe, expect, test } from 'vitest'
import { decodeWords, encodeWords } from '../../../server/protocol/encoded-word.ts'
import {
  decodedText,
  fieldNameFault,
  fieldText,
  fieldValueFault,
  foldLine,
  formatField,
  rawValue,
  readHeader,
  splitMessage,
} from '../../../server/protocol/header.ts'

const bytes = (text: string): Buffer => Buffer.from(text)

describe('splitMessage', () => {
  const splits = (text: string, headerEnd: number, bodyStart: number, why: string): void =>
    test(why, () => {
      expect(splitMessage(bytes(text))).toEqual({ headerEnd, bodyStart })
    })
  splits('A: b\r\n\r\nbody', 6, 8, 'header and body')
  splits('A: b\r\n\r\n', 6, 8, 'empty body')
  splits('A: b\r\n', 6, 6, 'no empty line')
  splits('\r\nbody', 0, 2, 'no header')
  splits('', 0, 0, 'nothing')
})

describe('readHeader', () => {
  const raw = bytes('Subject: one\r\n two\r\nX-A:b\r\nTo: \r\n\tx@y.z\r\n\r\nSubject: not this\r\n')

  test('finds fields by offset and leaves folding alone', () => {
    const header = readHeader(raw)
    if (!header.ok) throw new Error(header.reason)
    expect(header.fields.map((field) => field.name)).toEqual(['subject', 'x-a', 'to'])
    const [subject, xA, to] = header.fields
    expect(rawValue(header, subject!)).toBe(' one\r\n two\r\n')
    expect(fieldText(header, subject!)).toBe('one two')
    expect(raw.toString('latin1', xA!.start, xA!.end)).toBe('X-A:b\r\n')
    expect(fieldText(header, to!)).toBe('x@y.z')
    expect(raw.toString('latin1', header.bodyStart)).toBe('Subject: not this\r\n')
  })

  const bad = (text: string, reason: string): void =>
    test(reason, () => {
      expect(readHeader(bytes(text))).toMatchObject({ ok: false, reason })
    })
  bad('A: b\r\nnonsense\r\n\r\n', 'header line without a colon')
  bad('From jane Tue Jun  3\r\nA: b\r\n\r\n', 'header line without a colon')
  bad(' folded\r\nA: b\r\n\r\n', 'header line without a colon')
  bad(' A: b\r\n\r\n', 'header starts with a continuation line')
  bad('A : b\r\n\r\n', 'white space before the colon of a header field')
  bad('A B: c\r\n\r\n', 'header field name with a character that is not allowed')
  bad(': c\r\n\r\n', 'header field name with a character that is not allowed')
  bad('Ä: c\r\n\r\n', 'header field name with a character that is not allowed')
  bad('A: b\r\n'.repeat(1001), 'more than 1,000 header fields')
  bad(`A: ${'b'.repeat(256 * 1024)}\r\n\r\n`, 'header block larger than 256 KiB')

  test('raw 8-bit is UTF-8 where it can be, else windows-1252', () => {
    const value = (raw: Buffer): string => {
      const header = readHeader(raw)
      if (!header.ok) throw new Error(header.reason)
      return decodedText(header, header.fields[0]!)
    }
    expect(value(bytes('S: Grüße\r\n\r\n'))).toBe('Grüße')
    expect(value(Buffer.from('S: Grüße\r\n\r\n', 'latin1'))).toBe('Grüße')
    expect(value(bytes('S: =?iso-8859-1?Q?Gr=FC=DFe?=\r\n\r\n'))).toBe('Grüße')
  })
})

describe('decodeWords', () => {
  const gives = (text: string, want: string, why: string): void =>
    test(why, () => {
      expect(decodeWords(text)).toBe(want)
    })
  gives('plain', 'plain', 'plain text')
  gives('=?utf-8?q?a_b=21?=', 'a b!', 'Q')
  gives('=?UTF-8?B?w7zDvA==?=', 'üü', 'B')
  gives('=?utf-8?b?w7zDvA?=', 'üü', 'B without padding')
  gives('=?utf-8*de?q?=C3=BC?=', 'ü', 'RFC 2231 language')
  gives('=?utf-8?q?a?= =?utf-8?q?b?=', 'ab', 'space between words goes')
  gives('=?utf-8?q?a?= b =?utf-8?q?c?=', 'a b c', 'space beside text stays')
  gives('=?utf-8?q?=C3?= =?utf-8?q?=BC?=', 'ü', 'a character cut in two')
  gives('=?iso-8859-1?q?=FC?= =?utf-8?q?=C3=BC?=', 'üü', 'two charsets')
  gives('=?iso-2022-jp?B?GyRCRnxLXBsoQg==?=', '日本', 'a stateful charset')
  gives('=?x-none?q?a?= b', '=?x-none?q?a?= b', 'unknown charset stays')
  gives('=?utf-8?x?a?=', '=?utf-8?x?a?=', 'unknown encoding stays')
  gives('=?utf-8?q?a=0D=0ABcc:_x?=', 'a  Bcc: x', 'no line end comes out')
  gives('=?utf-8?q?=ZZ=?=', '=ZZ=', 'bad escapes stay')
})

describe('encodeWords', () => {
  test('plain ASCII stays', () => {
    expect(encodeWords('Hello, world!')).toBe('Hello, world!')
  })
  test('words are short and never cut a character', () => {
    for (const text of [
      'ü'.repeat(200),
      '日本語'.repeat(50),
      `${'a'.repeat(100)}é`,
      '👩‍🚀'.repeat(30),
    ]) {
      const encoded = encodeWords(text)
      for (const word of encoded.split(' ')) {
        expect(word.length).toBeLessThanOrEqual(75)
        expect(decodeWords(word)).not.toContain('\ufffd')
      }
      expect(decodeWords(encoded)).toBe(text)
    }
  })
})

describe('writing a field', () => {
  test('short ones stay on one line', () => {
    expect(formatField('Subject', 'Hello')).toBe('Subject: Hello\r\n')
    expect(formatField('Subject', 'Schöne Sache')).toBe(
      'Subject: =?utf-8?Q?Sch=C3=B6ne_Sache?=\r\n',
    )
    expect(formatField('Subject', 'Grüße')).toBe('Subject: =?utf-8?B?R3LDvMOfZQ==?=\r\n')
  })
  test('long ones are folded at 78 and unfold to the same', () => {
    const value = 'word '.repeat(100).trim()
    const field = formatField('X-Long', value)
    for (const line of field.split('\r\n')) expect(line.length).toBeLessThanOrEqual(78)
    expect(field.replace(/\r\n(?=[ \t])/g, '')).toBe(`X-Long: ${value}\r\n`)
  })
  test('no line of a folded field is white space only', () => {
    const field = foldLine(`A: ${'x'.repeat(60)}${' '.repeat(200)}y`)
    expect(field).not.toMatch(/\r\n[ \t]*\r\n/)
  })
  test('a word over 998 octets cannot be written', () => {
    expect(foldLine(`A: ${'x'.repeat(995)}`)).toBe(`A: ${'x'.repeat(995)}\r\n`)
    expect(foldLine(`A: ${'x'.repeat(996)}`)).toBeUndefined()
    expect(foldLine(`A: b ${'x'.repeat(1200)} c`)).toBeUndefined()
    expect(() => formatField('A', 'x'.repeat(2000))).toThrow('998')
  })
  test.each([
    ['A', 'b\r\nBcc: x@y.z', 'line end in a header value'],
    ['A', 'b\nc', 'line end in a header value'],
    ['A', 'b\rc', 'line end in a header value'],
    ['A', 'b\0c', 'control character in a header value'],
    ['A:', 'b', 'field name with a character that is not allowed'],
    ['A\r\nB', 'c', 'field name with a character that is not allowed'],
    ['', 'c', 'empty field name'],
  ])('%j: %j is refused', (name, value, reason) => {
    expect(fieldNameFault(name) ?? fieldValueFault(value)).toBe(reason)
    expect(() => formatField(name, value)).toThrow(reason)
  })
})
