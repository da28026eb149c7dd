import { describe, expect, test } from 'vitest'
import { AppError } from '../../../server/core/errors.ts'
import { parseRules } from '../../../server/policy/classify-rules.ts'
import { RULES, classify } from '../../../server/policy/classify.ts'
import { BUILT_IN_PROVIDERS } from '../../../server/policy/shape.ts'
import { refused } from './replies.ts'

describe('the shipped table', () => {
  test.each(RULES.map((rule) => [rule.id, rule] as const))(
    '%s decides its examples',
    (id, rule) => {
      for (const example of rule.examples) {
        const outcome = refused(example, rule.stages[0] ?? 'rcpt')
        const verdict = classify(outcome, { provider: rule.provider[0] })
        expect({ example, rule: verdict.rule }).toEqual({ example, rule: id })
        expect(verdict.category).toBe(rule.category)
      }
    },
  )
})

test('the table knows no provider that the lanes do not know', () => {
  const names = new Set(BUILT_IN_PROVIDERS.map((provider) => provider.name))
  const strangers = RULES.flatMap((rule) => rule.provider).filter((name) => !names.has(name))
  expect(strangers).toEqual([])
})

const good = {
  id: 'a-rule',
  pattern: 'no such thing',
  category: 'policy',
  scope: 'message',
  source: 'RFC 5321 §4.2',
  since: '2026-01',
  examples: ['550 no such thing'],
}

function faultsOf(data: unknown): readonly string[] {
  try {
    parseRules(data)
    return []
  } catch (error) {
    if (!(error instanceof AppError)) throw error
    return error.fields.map((field) => field.path)
  }
}

describe('a table with a mistake is refused, and the mistake is named', () => {
  test('a good rule passes, one word or a list alike', () => {
    const [rule] = parseRules([{ ...good, codes: '550', provider: ['google', 'yahoo'] }])
    expect(rule).toMatchObject({ codes: ['550'], provider: ['google', 'yahoo'] })
  })

  test.each([
    ['not a list', { rules: [good] }, ''],
    ['an unknown field', [{ ...good, catgory: 'policy' }], 'a-rule.catgory'],
    ['an id that is used twice', [good, good], 'a-rule.id'],
    ['an id with capitals', [{ ...good, id: 'A rule' }], 'A rule.id'],
    ['no id at all', [{ ...good, id: undefined }], '#0.id'],
    ['an unknown category', [{ ...good, category: 'spam' }], 'a-rule.category'],
    ['an unknown scope', [{ ...good, scope: 'ip' }], 'a-rule.scope'],
    ['an unknown stage', [{ ...good, stages: ['greeting'] }], 'a-rule.stages'],
    ['a permanence that no refusal has', [{ ...good, permanence: 'final' }], 'a-rule.permanence'],
    ['a code that is no refusal', [{ ...good, codes: ['250'] }], 'a-rule.codes'],
    ['a malformed enhanced code', [{ ...good, enhanced: '5.1' }], 'a-rule.enhanced'],
    ['nothing to go by', [{ ...good, pattern: undefined }], 'a-rule.pattern'],
    ['no example', [{ ...good, examples: [] }], 'a-rule.examples'],
    ['no source', [{ ...good, source: 'somewhere' }], 'a-rule.source'],
    ['no date', [{ ...good, since: 'lately' }], 'a-rule.since'],
    ['a pattern that does not compile', [{ ...good, pattern: 'a(b' }], 'a-rule.pattern'],
  ])('%s', (_why, data, path) => {
    expect(faultsOf(data)).toContain(path)
  })

  test('every mistake is listed, not only the first', () => {
    expect(faultsOf([{ ...good, scope: 'x', since: 'y' }])).toEqual([
      'a-rule.scope',
      'a-rule.since',
    ])
  })
})
