/**
 * The rule format of classify.rules.json: what a rule may say, and the check that it says it well. Meant for
 * people who add rules, so every complaint names the rule and the field. Must never accept a pattern whose time
 * could grow faster than the text: replies are written by strangers.
 */
import { AppError } from '../core/errors.ts'
import type { FieldError } from '../core/errors.ts'
import { CATEGORIES, SCOPES, STAGES } from '../core/outcome.ts'
import type { Category, Scope, Stage } from '../core/outcome.ts'
import { patternProblem } from './pattern.ts'

/** One line of the table. An empty list, or no pattern, asks nothing. */
export interface Rule {
  readonly id: string
  readonly provider: readonly string[]
  readonly stages: readonly Stage[]
  /** `550`, or a class: `5xx`. */
  readonly codes: readonly string[]
  /** `5.1.1` · `x.1.1` either class · `5.7.*` · `5.7.606-649` · `none` the reply has no enhanced code. */
  readonly enhanced: readonly string[]
  /** Tested against the text in lower case; what it may contain: pattern.ts. */
  readonly pattern: string | undefined
  readonly category: Category
  readonly scope: Scope
  /** Undefined: by reply code and scope, see classify.ts. */
  readonly permanence: 'temporary' | 'permanent' | undefined
  /** Where it is documented: an address, or an RFC section. */
  readonly source: string
  /** Year or month from which the reply is known, or in which the source was read. */
  readonly since: string
  /** Whole replies that this rule, and no other, must decide (at its provider and first stage). */
  readonly examples: readonly string[]
}

const FIELDS: ReadonlySet<string> = new Set([
  'id',
  'provider',
  'stages',
  'codes',
  'enhanced',
  'pattern',
  'category',
  'scope',
  'permanence',
  'source',
  'since',
  'examples',
])

const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

/**
 * Reads the table. Throws AppError CONFIG_INVALID that lists every fault of every rule, not only the first.
 * `provider`, `stages`, `codes` and `enhanced` may be one word or a list.
 */
export function parseRules(data: unknown): readonly Rule[] {
  const faults: FieldError[] = []
  const seen = new Set<string>()
  const rules = (Array.isArray(data) ? data : []).map((item: unknown, index) => {
    const raw = isObject(item) ? item : {}
    const name = typeof raw['id'] === 'string' ? raw['id'] : `#${index}`
    const rule = readRule(raw, (field, message) => {
      faults.push({ path: `${name}.${field}`, message })
    })
    if (seen.has(rule.id)) faults.push({ path: `${name}.id`, message: 'is used twice' })
    seen.add(rule.id)
    return rule
  })
  if (rules.length === 0) faults.push({ path: '', message: 'the table must be a list of rules' })
  if (faults.length > 0)
    throw new AppError('CONFIG_INVALID', {
      fields: faults,
      detail: faults.map((f) => `${f.path} ${f.message}`).join('; '),
    })
  return rules
}

type Complain = (field: string, message: string) => void

function readRule(raw: Readonly<Record<string, unknown>>, complain: Complain): Rule {
  for (const field of Object.keys(raw))
    if (!FIELDS.has(field)) complain(field, 'is not a field of a rule')

  const text = (field: string, form: RegExp): string => {
    const value = raw[field]
    if (typeof value === 'string' && form.test(value)) return value
    complain(field, 'is missing or not well formed')
    return ''
  }
  const words = (field: string, form: RegExp): readonly string[] => {
    const value: unknown = raw[field] ?? []
    const list: readonly unknown[] = Array.isArray(value) ? value : [value]
    return list.flatMap((word) => {
      if (typeof word === 'string' && form.test(word)) return [word]
      complain(field, `has an entry that is not well formed: ${JSON.stringify(word)}`)
      return []
    })
  }
  const oneOf = <T extends string>(field: string, allowed: readonly T[], fallback: T): T => {
    const found = allowed.find((word) => word === raw[field])
    if (found === undefined) complain(field, `must be one of ${allowed.join(', ')}`)
    return found ?? fallback
  }

  const rule: Rule = {
    id: text('id', /^[a-z0-9-]{3,40}$/),
    provider: words('provider', /^[a-z0-9-]{2,30}$/),
    stages: words('stages', /./).flatMap((word) => {
      const stage = STAGES.find((known) => known === word)
      if (stage === undefined) complain('stages', `there is no stage ${word}`)
      return stage === undefined ? [] : [stage]
    }),
    codes: words('codes', /^[45](?:\d\d|xx)$/),
    enhanced: words('enhanced', /^(?:none|[45x]\.\d{1,3}\.(?:\*|\d{1,3}(?:-\d{1,3})?))$/),
    pattern: raw['pattern'] === undefined ? undefined : text('pattern', /./),
    category: oneOf('category', CATEGORIES, 'unknown'),
    scope: oneOf('scope', SCOPES, 'us'),
    permanence:
      raw['permanence'] === undefined
        ? undefined
        : oneOf<'temporary' | 'permanent'>('permanence', ['temporary', 'permanent'], 'temporary'),
    source: text('source', /^(?:https:\/\/\S+|RFC \d+ §[\d.]+)$/),
    since: text('since', /^\d{4}(?:-\d\d)?$/),
    examples: words('examples', /^[45]\d\d .+$/),
  }
  if (rule.pattern !== undefined) {
    const problem = patternProblem(rule.pattern)
    if (problem !== undefined) complain('pattern', problem)
  } else if (rule.enhanced.length + rule.codes.length === 0) {
    complain('pattern', 'a rule needs a pattern, an enhanced code or a code')
  }
  if (rule.examples.length === 0) complain('examples', 'a rule needs at least one example')
  return rule
}
