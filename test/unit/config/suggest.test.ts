import { expect, test } from 'vitest'
import { editDistance, suggest } from '../../../server/config/suggest.ts'

test.each([
  ['listen', 'listen', 0, 'the same'],
  ['listn', 'listen', 1, 'one missing'],
  ['listenn', 'listen', 1, 'one too many'],
  ['lisden', 'listen', 1, 'one wrong'],
  ['litsen', 'listen', 1, 'two swapped'],
  ['', 'abc', 3, 'empty'],
  ['abcdef', 'uvwxyz', 4, 'gives up beyond the limit of 3'],
])('%j to %j is %i: %s', (a, b, distance) => {
  expect(editDistance(a, b, 3)).toBe(distance)
  expect(editDistance(b, a, 3)).toBe(distance)
})

const KNOWN = ['listen', 'publicUrl', 'trustedProxies', 'bodyLimit']
test.each([
  ['listn', 'listen', 'a slip'],
  ['public_url', 'publicUrl', 'another spelling of the same words'],
  ['BODYLIMIT', 'bodyLimit', 'case'],
  ['zzz', undefined, 'nothing near'],
  ['x'.repeat(1000), undefined, 'a long word costs nothing'],
])('%j suggests %j: %s', (word, nearest, _why) => {
  expect(suggest(word, KNOWN)).toBe(nearest)
})
