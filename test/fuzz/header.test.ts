import { isAscii } from 'node:buffer'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { decodeWords, encodeWords } from '../../server/protocol/encoded-word.ts'
import {
  decodedText,
  fieldText,
  foldLine,
  formatField,
  readHeader,
} from '../../server/protocol/header.ts'
import { formatParameterised, parseParameterised } from '../../server/protocol/parameters.ts'
import { encodeQuotedPrintable } from '../../server/protocol/quoted-printable.ts'
import { rewriteCopy } from '../../server/protocol/rewrite.ts'

const nearHeader = fc
  .array(
    fc.oneof(
      fc.constantFrom(
        'Subject: ',
        'From: ',
        'X',
        ':',
        '\r\n',
        '\r\n ',
        '\r',
        '\n',
        '\t',
        'ü',
        '\xff',
      ),
      fc.constantFrom('=?utf-8?q?', '=?', '?=', '=C3', '=BC', 'a', '"', ';', '\0', 'Message-ID: '),
    ),
    { maxLength: 60 },
  )
  .map((parts) => Buffer.from(parts.join(''), 'latin1'))
const bytes = fc.oneof(
  nearHeader,
  fc.uint8Array({ maxLength: 300 }).map((b) => Buffer.from(b)),
)
/** Without controls, which encoding turns into spaces. */
const text = fc
  .oneof(fc.string({ unit: 'grapheme' }), fc.string({ unit: 'grapheme-ascii' }))
  .filter((value) => !/[\p{Cc}\u2028\u2029]/u.test(value))

test('the fields of any header cover it without gap or overlap', () => {
  fc.assert(
    fc.property(bytes, (raw) => {
      const header = readHeader(raw)
      if (!header.ok) return
      let at = 0
      for (const field of header.fields) {
        expect(field.start).toBe(at)
        expect(field.value).toBeGreaterThan(field.start)
        expect(field.end).toBeGreaterThanOrEqual(field.value)
        expect(decodedText(header, field)).not.toMatch(/[\r\n\0]/)
        at = field.end
      }
      expect(at).toBe(header.text.length)
      expect(header.bodyStart).toBeGreaterThanOrEqual(at)
    }),
    { numRuns: 3000 },
  )
})

describe('encoded words', () => {
  test('decode what was encoded', () => {
    fc.assert(
      fc.property(text, (value) => {
        const encoded = encodeWords(value)
        expect(encoded).toMatch(/^[\x20-\x7e]*$/)
        expect(decodeWords(encoded)).toBe(value)
      }),
      { numRuns: 1000 },
    )
  })
  test('hostile input takes linear time', () => {
    for (const piece of ['=?', '=?a?q?', '=?a?q?b?=', '=?utf-8?q?=C3?= ', '?=', '=?x-no?b?a?= ']) {
      const started = performance.now()
      decodeWords(piece.repeat(256_000 / piece.length))
      expect(performance.now() - started, piece).toBeLessThan(1000)
    }
  })
})

test('a written field is read back, in short lines', () => {
  const value = text.map((one) => one.trim()).filter((one) => Buffer.byteLength(one) < 900)
  fc.assert(
    fc.property(value, (subject) => {
      const field = formatField('Subject', subject)
      const header = readHeader(Buffer.from(`${field}\r\n`))
      if (!header.ok) throw new Error(header.reason)
      expect(header.fields).toHaveLength(1)
      expect(decodedText(header, header.fields[0]!).trim()).toBe(subject)
    }),
    { numRuns: 1000 },
  )
})

test('folding adds line ends and nothing else', () => {
  const line = fc
    .string({
      unit: fc.constantFrom('a', 'bcdefgh', ' ', '  ', '\t', 'x'.repeat(90)),
      maxLength: 80,
    })
    .map((value) => `Name: v${value}v`)
  fc.assert(
    fc.property(line, (unfolded) => {
      const folded = foldLine(unfolded)
      if (folded === undefined) return
      expect(folded.replaceAll('\r\n', '')).toBe(unfolded)
      const rows = folded.slice(0, -2).split('\r\n')
      for (const row of rows) {
        expect(row.length).toBeLessThanOrEqual(998)
        expect(row.trim()).not.toBe('')
      }
      for (const row of rows.slice(1)) expect(row).toMatch(/^[ \t]/)
    }),
    { numRuns: 1000 },
  )
})

test('parameters: whatever is read is written in ASCII and reads the same again', () => {
  fc.assert(
    fc.property(
      fc.string({
        unit: fc.constantFrom(...Array.from('a=;"\\ ()*\'ü/%'), 'name', 'x='),
        maxLength: 40,
      }),
      (value) => {
        const written = formatParameterised(parseParameterised(value))
        expect(isAscii(Buffer.from(written))).toBe(true)
        expect(written).not.toMatch(/[\r\n]/)
        expect(formatParameterised(parseParameterised(written))).toBe(written)
      },
    ),
    { numRuns: 1000 },
  )
})

/** The decoder of RFC 2045 §6.7, as plain as can be. */
const unquote = (encoded: Buffer): Buffer =>
  Buffer.from(
    encoded
      .toString('latin1')
      .replace(/=\r\n/g, '')
      .replace(/=([0-9A-F]{2})/g, (_, hex: string) => String.fromCharCode(parseInt(hex, 16))),
    'latin1',
  )
test('quoted-printable: short ASCII lines that decode to the input', () => {
  const body = fc
    .array(
      fc.oneof(
        fc
          .constantFrom('\r\n', ' ', '\t', '=', 'ü', 'x'.repeat(80), '=3D', '\0')
          .map((s) => Buffer.from(s)),
        fc.uint8Array({ maxLength: 100 }).map((b) => Buffer.from(b)),
      ),
      { maxLength: 30 },
    )
    .map((parts) => Buffer.concat(parts))
  fc.assert(
    fc.property(body, (bytes) => {
      const encoded = encodeQuotedPrintable(bytes)
      expect(unquote(encoded).equals(bytes)).toBe(true)
      const rows = encoded.toString('latin1').split('\r\n')
      expect(isAscii(encoded)).toBe(true)
      for (const row of rows) expect(row.length).toBeLessThanOrEqual(76)
      for (const row of rows) expect(row).not.toMatch(/[ \t\r\n]$/)
    }),
    { numRuns: 1000 },
  )
})

test('a rewritten copy has exactly the Message-ID asked for and all other fields', () => {
  const name = fc.constantFrom('Message-ID', 'message-id', 'X-Message-ID', 'Subject', 'To')
  const fields = fc.uniqueArray(fc.tuple(name, fc.stringMatching(/^[a-z]{0,9}(\r\n [a-z]+)?$/)), {
    selector: ([one]) => one.toLowerCase(),
  })
  fc.assert(
    fc.property(fields, fc.uint8Array(), (list, body) => {
      const head = list.map(([one, value]) => `${one}: ${value}\r\n`).join('')
      const raw = Buffer.concat([Buffer.from(`${head}\r\n`), body])
      const copy = Buffer.concat(rewriteCopy(raw, { messageId: 'n@x.y', prepend: 'A: b\r\n' }))
      const [was, is] = [readHeader(raw), readHeader(copy)]
      if (!was.ok || !is.ok) throw new Error('not a header')
      const rest = (header: typeof was): string[] =>
        header.fields
          .filter((field) => field.name !== 'message-id')
          .map((f) => fieldText(header, f))
      expect(rest(is)).toEqual(['b', ...rest(was)])
      const ids = is.fields.filter((field) => field.name === 'message-id')
      expect(ids.map((field) => fieldText(is, field))).toEqual(['<n@x.y>'])
      expect(copy.subarray(is.bodyStart).equals(body)).toBe(true)
    }),
    { numRuns: 1000 },
  )
})
