/** The form of secrets: what a scanner can know without asking us. */
import { createHash } from 'node:crypto'
import { expect, test } from 'vitest'
import { realRandom } from '../../../server/ports.ts'
import {
  API_KEY_PATTERN,
  findApiKeys,
  hasKeyForm,
  isApiKey,
  newApiKey,
} from '../../../server/services/auth/secret.ts'

const live = newApiKey('live', realRandom)
const tested = newApiKey('test', realRandom)

/** Another last letter, so that the check is wrong. */
const spoiled = (key: string): string => key.slice(0, -1) + (key.endsWith('0') ? '1' : '0')

test('a key is recognised offline, as the page on leaked keys tells', () => {
  expect(live).toMatch(/^ph_live_[a-z2-9]{32}[0-9a-f]{6}$/)
  const check = createHash('sha256').update(live.slice(0, -6)).digest('hex').slice(0, 6)
  expect(live.endsWith(check)).toBe(true)
  expect(new RegExp(API_KEY_PATTERN).test(live)).toBe(true)
})

test.each<[text: string, form: boolean, genuine: boolean, why: string]>([
  [live, true, true, 'a live key'],
  [tested, true, true, 'a test key'],
  [spoiled(live), true, false, 'a wrong check'],
  [live.replace('live', 'test'), true, false, 'the mode is part of the check'],
  [`${live}a`, false, false, 'too long'],
  [live.slice(1), false, false, 'cut off'],
  [live.toUpperCase(), false, false, 'upper case'],
  [`x${live}`, false, false, 'something before it'],
  [`${live}\n`, false, false, 'a line end after it'],
  ['', false, false, 'nothing'],
])('%s: form %s, genuine %s (%s)', (text, form, genuine) => {
  expect([hasKeyForm(text), isApiKey(text)]).toEqual([form, genuine])
})

test('keys are found wherever they stand, each once', () => {
  const text = `KEY="${live}"\ncurl https://x/?k=${tested}&y=1 # ${live} ${spoiled(live)} ph_live_short`
  expect(findApiKeys(text)).toEqual([
    { text: live, mode: 'live', isGenuine: true },
    { text: tested, mode: 'test', isGenuine: true },
    { text: spoiled(live), mode: 'live', isGenuine: false },
  ])
  expect(findApiKeys('nothing here')).toEqual([])
})

test('a hostile text is looked through in linear time', () => {
  const started = performance.now()
  expect(findApiKeys('ph_live_'.repeat(200_000))).toEqual([])
  expect(performance.now() - started).toBeLessThan(1_000)
})
