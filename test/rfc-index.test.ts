/** `docs/rfc.md` and the source cite the same RFCs, and somebody has judged each. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { citations, citedNumbers, pageRows } from '../.tools/rfc.mjs'

const rows = pageRows(readFileSync(join(import.meta.dirname, '../docs/rfc.md'), 'utf8'))
const cited = citations()

test('every RFC that the source cites is on the page: run .tools/generate.mjs, then judge it', () => {
  expect([...cited.keys()].filter((number) => !rows.has(number))).toEqual([])
})

test('every RFC on the page is cited by the source', () => {
  expect([...rows.keys()].filter((number) => !cited.has(number))).toEqual([])
})

test('every RFC on the page has a title and a verdict, and a part is named', () => {
  const unjudged = [...rows].filter(
    ([, { title, follows, remarks }]) =>
      title === '?' ||
      !['full', 'partial', 'no'].includes(follows) ||
      (follows !== 'full' && remarks === ''),
  )
  expect(unjudged.map(([number]) => number)).toEqual([])
})

test.each([
  ['RFC 5321 §4.5.3', [5321], 'one'],
  ['RFC5322', [5322], 'without a space'],
  ['RFC 2034 / 3463 codes', [2034, 3463], 'two with a slash'],
  ['RFC 6376 and RFC 8463', [6376, 8463], 'two in words'],
  ['RFC 6376, RFC 8463', [6376, 8463], 'two with a comma'],
  ['see RFC\n * 5321', [5321], 'over a line break in a comment'],
  ['RFC 5321, 1000 octets', [5321], 'a number that is no RFC'],
  ['message/rfc822', [], 'a media type'],
])('%j cites %j: %s', (text, numbers, _why) => {
  expect(citedNumbers(text)).toEqual(numbers)
})
