import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { STAGES } from '../../server/core/outcome.ts'
import type { Reply } from '../../server/core/outcome.ts'
import { RULES, classify } from '../../server/policy/classify.ts'
import { needlesOf } from '../../server/policy/pattern.ts'
import { refused } from '../unit/policy/replies.ts'

const PROVIDERS = [undefined, 'nobody', ...new Set(RULES.flatMap((rule) => rule.provider))]

/** Words and signs that the rules look for, so that random text gets far into them. */
const WORDS = [
  ...new Set(RULES.flatMap((rule) => rule.examples.join(' ').toLowerCase().split(/\s/))),
  ...new Set(RULES.flatMap((rule) => rule.pattern?.split(/[^a-zà-ÿ]+/) ?? [])),
].filter((word) => word.length > 1)

const SENTENCES = RULES.flatMap((rule) => rule.examples.map((line) => line.slice(4)))
const talk = fc
  .array(fc.constantFrom(...SENTENCES, ...WORDS), { minLength: 5, maxLength: 20 })
  .map((parts) => parts.join(' '))

const text = fc.oneof(
  talk,
  fc.string({ maxLength: 2_000 }),
  fc.string({ unit: 'binary', maxLength: 2_000 }),
  fc.array(fc.constantFrom(...WORDS), { maxLength: 400 }).map((words) => words.join(' ')),
)
const reply: fc.Arbitrary<Reply> = fc.record({
  code: fc.oneof(fc.integer({ min: 400, max: 599 }), fc.integer(), fc.double()),
  enhanced: fc.oneof(
    fc.constant(undefined),
    fc.string(),
    fc.tuple(fc.constantFrom(4, 5), fc.nat(9), fc.nat(999)).map((parts) => parts.join('.')),
  ),
  text,
})

test('whatever a remote says has a verdict', () => {
  fc.assert(
    fc.property(
      reply,
      fc.constantFrom(...STAGES),
      fc.constantFrom(...PROVIDERS),
      (said, stage, provider) => {
        const verdict = classify(refused(said, stage), { provider })
        expect(['temporary', 'permanent']).toContain(verdict.permanence)
        expect(verdict.action === 'fail').toBe(verdict.permanence === 'permanent')
        if (said.code < 500) expect(verdict.permanence).toBe('temporary')
      },
    ),
    { numRuns: 2_000 },
  )
})

test('a text that a pattern matches has one of its needles', () => {
  const patterns = RULES.flatMap(({ pattern }) => {
    const needles = pattern === undefined ? undefined : needlesOf(pattern)
    return needles === undefined ? [] : [{ regex: new RegExp(pattern!), needles }]
  })
  let matched = 0
  fc.assert(
    fc.property(talk, (said) => {
      const lower = said.toLowerCase()
      for (const { regex, needles } of patterns)
        if (regex.test(lower)) {
          matched++
          expect(needles.some((needle) => lower.includes(needle))).toBe(true)
        }
    }),
    { numRuns: 500 },
  )
  expect(matched).toBeGreaterThan(1_000)
})

describe('hostile text takes no time', () => {
  const LENGTH = 20_000
  /** Best of several runs: the machine may be busy, the pattern may not be slow. */
  function microseconds(said: Reply, provider: string | undefined): number {
    const outcome = refused(said)
    let best = Infinity
    for (let i = 0; i < 5; i++) {
      const from = process.hrtime.bigint()
      classify(outcome, { provider })
      best = Math.min(best, Number(process.hrtime.bigint() - from) / 1_000)
    }
    return best
  }

  const hostile: readonly (readonly [string, string])[] = [
    ['one letter', 'a'.repeat(LENGTH)],
    ['blanks', ' '.repeat(LENGTH)],
    ['digits', '1'.repeat(LENGTH)],
    ['brackets', '['.repeat(LENGTH)],
    ['two bytes a sign', '用户'.repeat(LENGTH)],
    ['beginnings of a mailbox sentence', 'account user mailbox recipient '.repeat(LENGTH / 30)],
    ['beginnings of a message sentence', 'message size exceed mail too '.repeat(LENGTH / 30)],
    ['beginnings of a sender sentence', 'sender domain of mail from '.repeat(LENGTH / 30)],
    ['beginnings of a host sentence', 'your ip host client domain '.repeat(LENGTH / 30)],
    ['every word of the rules, shuffled', [...WORDS].reverse().join(' ')],
    ...WORDS.map((word): readonly [string, string] => [word, `${word} `.repeat(300)]),
  ]

  test('each case under 1 ms, at each provider', () => {
    for (const [what, words] of hostile)
      for (const provider of [undefined, 'google', 'outlook']) {
        const us = microseconds({ code: 550, enhanced: undefined, text: words }, provider)
        if (us >= 1_000)
          expect({ what, provider, us }).toEqual({ what, provider, us: 'under 1000' })
      }
    expect(hostile.length).toBeGreaterThan(100)
  })
})
