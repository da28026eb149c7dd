import { describe, expect, test } from 'vitest'
import {
  encodeBase64Lines,
  encodeQuotedPrintable,
  rewrapBase64,
} from '../../../server/protocol/quoted-printable.ts'

describe('encodeQuotedPrintable', () => {
  const gives = (text: string, want: string, why: string, encoded = false): void =>
    test(why, () => {
      expect(encodeQuotedPrintable(Buffer.from(text), { encoded }).toString()).toBe(want)
    })
  gives('', '', 'nothing')
  gives('Hello\r\nworld\r\n', 'Hello\r\nworld\r\n', 'plain text stays')
  gives('ü=\r\n', '=C3=BC=3D\r\n', 'escapes')
  gives('a \t\r\nb ', 'a =09\r\nb=20', 'white space at the end of a line')
  gives('a\r\n \r\nb', 'a\r\n=20\r\nb', 'a line of white space')
  gives('a\0\x7fb', 'a=00=7Fb', 'controls')
  gives('x'.repeat(75), 'x'.repeat(75), 'a full line')
  gives('x'.repeat(76), `${'x'.repeat(75)}=\r\nx`, 'a soft break')
  gives('x'.repeat(73) + 'ü', `${'x'.repeat(73)}=\r\n=C3=BC`, 'no break inside an escape')
  gives('a=20=\r\nü=3D', 'a=20=\r\n=C3=BC=3D', 'escapes that are there already stay', true)
  gives(`${'x'.repeat(74)}=3Dy`, `${'x'.repeat(74)}=\r\n=3Dy`, 'nor are they broken', true)
  gives(`${'x'.repeat(75)}=\r\ny`, `${'x'.repeat(75)}=\r\ny`, 'a full soft-broken line', true)
})

describe('base64', () => {
  test('lines of 76', () => {
    const bytes = Buffer.alloc(100, 0xff)
    const text = encodeBase64Lines(bytes).toString()
    expect(text.split('\r\n').map((line) => line.length)).toEqual([76, 60])
    expect(Buffer.from(text, 'base64').equals(bytes)).toBe(true)
    expect(encodeBase64Lines(Buffer.alloc(57)).toString()).toHaveLength(76)
  })
  test('bad lines are rewrapped to the same data', () => {
    const data = Buffer.alloc(1500, 0xa5)
    const text = rewrapBase64(
      Buffer.from(`${data.toString('base64')}\r\n\xff`, 'latin1'),
    ).toString()
    expect(Math.max(...text.split('\r\n').map((line) => line.length))).toBe(76)
    expect(Buffer.from(text, 'base64').equals(data)).toBe(true)
  })
})
