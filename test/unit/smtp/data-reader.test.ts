/** The end of a message is CRLF "." CRLF and nothing else, however TCP cuts the bytes up (RFC 5321 §4.5.2). */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { makeDataReader } from '../../../server/smtp/data-reader.ts'

interface Read {
  readonly body: string
  /** What follows the end; undefined: no end was seen. */
  readonly rest: string | undefined
}

function readAll(chunks: readonly string[]): Read {
  const reader = makeDataReader()
  let body = ''
  for (const [i, chunk] of chunks.entries()) {
    const bytes = Buffer.from(chunk, 'latin1')
    const rest = reader.read(bytes, (part) => (body += part.toString('latin1')))
    if (rest !== undefined)
      return { body, rest: rest.toString('latin1') + chunks.slice(i + 1).join('') }
  }
  return { body, rest: undefined }
}

const everyCut = (text: string): string[][] => [
  [text],
  Array.from(text),
  ...Array.from({ length: text.length - 1 }, (_, i) => [text.slice(0, i + 1), text.slice(i + 1)]),
]

describe('what ends a message', () => {
  const cases: [wire: string, body: string, rest: string | undefined, why: string][] = [
    ['a\r\n.\r\n', 'a\r\n', '', 'the end'],
    ['.\r\n', '', '', 'an empty message ends at once'],
    ['a\r\n.\r\nQUIT\r\n', 'a\r\n', 'QUIT\r\n', 'what is pipelined behind the end is kept'],
    ['.\r\n.\r\n', '', '.\r\n', 'only the first end counts'],
    ['..\r\n.\r\n', '.\r\n', '', 'a stuffed dot in the first line'],
    ['a\r\n..\r\n.\r\n', 'a\r\n.\r\n', '', 'a stuffed dot alone in a line'],
    ['a\r\n...b\r\n.\r\n', 'a\r\n..b\r\n', '', 'one dot is taken away, not all'],
    ['a\r\n.b\r\n.\r\n', 'a\r\nb\r\n', '', 'a leading dot goes, stuffed or not'],
    ['a.\r\n.\r\n', 'a.\r\n', '', 'a dot at the end of a line'],
    ['\r\n\r\n.\r\n', '\r\n\r\n', '', 'empty lines'],
  ]
  test.each(cases)('%j', (wire, body, rest) => {
    for (const chunks of everyCut(wire)) expect(readAll(chunks)).toEqual({ body, rest })
  })
})

describe('what smugglers hope ends a message', () => {
  const smuggled: [sequence: string, why: string][] = [
    ['\n.\n', 'bare LF on both sides (CVE-2023-51764 and kin)'],
    ['\n.\r\n', 'bare LF before'],
    ['\r\n.\n', 'bare LF behind'],
    ['\r.\r', 'bare CR on both sides'],
    ['\r.\r\n', 'bare CR before'],
    ['\r\n.\r', 'bare CR behind'],
    ['\r\r\n.\r\r\n', 'an additional CR behind'],
    ['\n.\r', 'mixed'],
    ['\r.\n', 'mixed'],
    ['\r\n.\r\r\n', 'CR CR LF behind'],
    ['\r\n\0.\r\n', 'a NUL before the dot'],
    ['\r\n.\0\r\n', 'a NUL behind the dot'],
    ['\r\n. \r\n', 'a space behind the dot'],
    ['\r\n..\r\n', 'a stuffed dot'],
    ['\x85.\x85', 'NEL'],
  ]
  test.each(smuggled)('%j does not: %s', (sequence) => {
    const wire = `a${sequence}MAIL FROM:<evil@example.com>\r\n.\r\nQUIT\r\n`
    for (const chunks of everyCut(wire)) {
      const { body, rest } = readAll(chunks)
      expect(body).toContain('MAIL FROM:<evil@example.com>')
      expect(rest).toBe('QUIT\r\n')
    }
  })
})

test('any text goes through, in any pieces', () => {
  const text = fc.string({ unit: fc.constantFrom('\r\n', '.', 'x', '\n', '\r'), maxLength: 60 })
  fc.assert(
    fc.property(text, fc.array(fc.nat(20), { maxLength: 20 }), (lines, cuts) => {
      const body = `${lines}\r\n`
      const stuffed = body.replace(/^\./, '..').replaceAll('\r\n.', '\r\n..')
      const wire = `${stuffed}.\r\nNOOP\r\n`
      const chunks: string[] = []
      let at = 0
      for (const cut of cuts) chunks.push(wire.slice(at, (at += cut)))
      chunks.push(wire.slice(at))
      expect(readAll(chunks)).toEqual({ body, rest: 'NOOP\r\n' })
    }),
    { numRuns: 2_000 },
  )
})

test('memory does not grow with the number of stuffed dots', () => {
  const reader = makeDataReader()
  let pushes = 0
  const chunk = Buffer.from('..\r\n'.repeat(10_000))
  reader.read(chunk, () => pushes++)
  expect(pushes).toBe(1)
})
