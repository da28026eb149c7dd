import { describe, expect, test } from 'vitest'
import {
  formatParameterised,
  parameter,
  parseParameterised,
} from '../../../server/protocol/parameters.ts'

describe('parseParameterised', () => {
  const gives = (text: string, want: readonly unknown[], why: string): void =>
    test(why, () => {
      const { value, parameters } = parseParameterised(text)
      expect([value, ...parameters.map((one) => [one.name, one.text])]).toEqual(want)
    })
  gives('Text/Plain', ['text/plain'], 'no parameters')
  gives('text/plain; Charset=UTF-8', ['text/plain', ['charset', 'UTF-8']], 'a token')
  gives('a/b;c="d; \\"e\\"";f=g', ['a/b', ['c', 'd; "e"'], ['f', 'g']], 'a quoted string')
  gives('a/b (x); c = d ; ', ['a/b', ['c', 'd']], 'comment, spaces, last semicolon')
  gives('a/(x (y))b (z; c=d', ['a/b', ['c', 'd']], 'comments in comments, and one without an end')
  gives('a/b;; c=d', ['a/b', ['c', 'd']], 'an empty parameter')
  gives('a/b; c=d nonsense; e=f', ['a/b', ['c', 'd']], 'nonsense ends the reading')
  gives('a/b; c="open', ['a/b', ['c', '']], 'a quote without an end')
  gives('', [''], 'nothing')
})

describe('formatParameterised', () => {
  const gives = (text: string, want: string, why: string): void =>
    test(why, () => {
      expect(formatParameterised(parseParameterised(text))).toBe(want)
    })
  gives('attachment; filename="a b.pdf"', 'attachment; filename="a b.pdf"', 'quotes where needed')
  gives('text/plain; charset="utf-8"', 'text/plain; charset=utf-8', 'none where not')
  gives('attachment; filename="é.pdf"', "attachment; filename*=utf-8''%C3%A9.pdf", 'RFC 2231')
  test('long values are cut in sections, never inside a character', () => {
    const written = formatParameterised({
      value: 'attachment',
      parameters: [{ name: 'filename', text: 'é'.repeat(25) }],
    })
    const read = parseParameterised(written)
    expect(parameter(read, 'filename*0*')).toBe(`utf-8''${'%C3%A9'.repeat(10)}`)
    expect(parameter(read, 'filename*2*')).toBe('%C3%A9'.repeat(5))
  })
})
