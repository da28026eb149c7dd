/**
 * Outcome → verdict: what a reply or a fault means, whom it concerns, and whether to try again. The rules are data
 * (classify.rules.json); this file only finds the first that applies. Must never let a refusal of our address become
 * a bounce of the recipient, never call a 4yz reply permanent, and never throw.
 */
import type { Category, Fault, Outcome, Reply, Stage, Verdict } from '../core/outcome.ts'
import { parseRules } from './classify-rules.ts'
import type { Rule } from './classify-rules.ts'
import { NEEDLE_LENGTH, needlesOf } from './pattern.ts'
import table from './classify.rules.json' with { type: 'json' }

/** The shipped table, in file order. */
export const RULES: readonly Rule[] = parseRules(table)

export interface ClassifyContext {
  /** Whose MX it was; undefined when that is not known (a bounce mail from elsewhere). */
  readonly provider?: string | undefined
}

/** Every text that matters says so early; hostile ones are cut here. */
const TEXT_LIMIT = 800

/** The conversation has not reached the mail yet: what is refused there is the host's or our address's affair. */
const HOST_STAGES: ReadonlySet<Stage> = new Set([
  'dns',
  'connect',
  'banner',
  'ehlo',
  'starttls',
  'auth',
])
/** Of these the next host of the site may do better; bad credentials fail at each of them. */
const isNextHostStage = (stage: Stage): boolean => HOST_STAGES.has(stage) && stage !== 'auth'

const RCPT_STAGES: ReadonlySet<Stage> = new Set(['rcpt', 'data', 'body'])
const MAIL_STAGES: ReadonlySet<Stage> = new Set(['mail', 'rcpt', 'data', 'body'])

/** Conditions that pass by themselves, whatever digit the reply starts with (QQ and GoDaddy say 550 to a rate). */
const PASSING: ReadonlySet<Category> = new Set(['rate', 'greylisted', 'network', 'tls'])

type FaultVerdict = Pick<Verdict, 'category' | 'scope' | 'permanence'>

/** Faults without a reply. `timeout` and `connection-lost` after the final dot are in doubt: retried, RFC 5321 §6.1. */
const FAULT_VERDICTS: Readonly<Record<Fault, FaultVerdict>> = {
  'dns-temporary': { category: 'network', scope: 'destination', permanence: 'temporary' },
  'dns-permanent': { category: 'bad-domain', scope: 'destination', permanence: 'permanent' },
  'private-target': { category: 'routing', scope: 'destination', permanence: 'permanent' }, // 5.4.4
  'mx-loop': { category: 'routing', scope: 'destination', permanence: 'permanent' }, // 5.4.6
  'connect-refused': { category: 'network', scope: 'destination', permanence: 'temporary' },
  'connect-timeout': { category: 'network', scope: 'destination', permanence: 'temporary' },
  unreachable: { category: 'network', scope: 'destination', permanence: 'temporary' },
  'source-unbound': { category: 'network', scope: 'us', permanence: 'temporary' },
  'tls-handshake': { category: 'tls', scope: 'destination', permanence: 'temporary' },
  'tls-required': { category: 'tls', scope: 'destination', permanence: 'temporary' },
  timeout: { category: 'network', scope: 'destination', permanence: 'temporary' },
  'connection-lost': { category: 'network', scope: 'destination', permanence: 'temporary' },
  protocol: { category: 'protocol', scope: 'destination', permanence: 'temporary' },
  'needs-smtputf8': { category: 'protocol', scope: 'message', permanence: 'permanent' }, // 5.6.7
  'too-big': { category: 'too-big', scope: 'message', permanence: 'permanent' }, // 5.3.4
}
/** No other host can help: the name does not resolve, or our own machine lacks the address. */
const HOSTLESS: ReadonlySet<Fault> = new Set(['dns-temporary', 'source-unbound'])

const ACCEPTED: Verdict = {
  category: 'delivered',
  scope: 'recipient',
  permanence: 'final',
  action: 'complete',
  rule: 'accepted',
}

interface Enhanced {
  readonly class: number
  readonly subject: number
  readonly from: number
  readonly to: number
}

interface Compiled {
  readonly rule: Rule
  /** 0 is asked first. */
  readonly rank: number
  readonly stages: ReadonlySet<Stage> | undefined
  readonly enhanced: readonly Enhanced[] | undefined
  readonly orNone: boolean
  readonly pattern: RegExp | undefined
  /** Pairs of marks, see `markText`; one pair must be there. Undefined: the pattern must be tried. */
  readonly marks: readonly number[] | undefined
}

/** Details from 100 up are in no standard; each is one vendor's own and says more than any wording (Microsoft 365). */
const isVendorCode = (enhanced: string): boolean => /\.\d{3}/.test(enhanced)

/**
 * A provider's own wording, then its own codes, then wording, then enhanced codes, then codes. Within a rank the
 * file's order decides.
 */
function rankOf(rule: Rule): number {
  const own = rule.provider.length > 0
  if (rule.pattern !== undefined) return own ? 0 : 2
  if (rule.enhanced.length > 0) return own || rule.enhanced.every(isVendorCode) ? 1 : 3
  return own ? 1 : 4
}

/** A sentence about a mailbox cannot be meant before RCPT, nor one about the mail before MAIL. */
function stagesOf(rule: Rule): ReadonlySet<Stage> | undefined {
  if (rule.stages.length > 0) return new Set(rule.stages)
  if (rule.scope === 'recipient') return RCPT_STAGES
  return rule.scope === 'message' ? MAIL_STAGES : undefined
}

function compileEnhanced(text: string): Enhanced {
  const [digit = '', subject, detail = ''] = text.split('.')
  const [from = '', to = from] = detail.split('-')
  return {
    class: digit === 'x' ? 0 : Number(digit),
    subject: Number(subject),
    from: from === '*' ? 0 : Number(from),
    to: to === '*' ? 999 : Number(to),
  }
}

/** Which three-letter pieces the text at hand has: a piece is there if its slot holds the number of this text. */
const MARKS = new Uint32Array(1 << 12)
let textNumber = 0

const markAt = (text: string, i: number): number =>
  (text.charCodeAt(i) * 961 + text.charCodeAt(i + 1) * 31 + text.charCodeAt(i + 2)) &
  (MARKS.length - 1)

/**
 * why: of 130 patterns two or three have a chance on a given text. Trying all takes 10 µs, looking for the first and
 * last piece of their words 2 µs.
 */
function markText(text: string): void {
  textNumber = textNumber === 0xffffffff ? 1 : textNumber + 1
  if (textNumber === 1) MARKS.fill(0)
  for (let i = text.length - NEEDLE_LENGTH; i >= 0; i--) MARKS[markAt(text, i)] = textNumber
}

const marksOf = (pattern: string): readonly number[] | undefined =>
  needlesOf(pattern)?.flatMap((word) => [
    markAt(word, 0),
    markAt(word, word.length - NEEDLE_LENGTH),
  ])

function mayMatch(marks: readonly number[] | undefined): boolean {
  if (marks === undefined) return true
  for (let i = 0; i < marks.length; i += 2)
    if (MARKS[marks[i]!] === textNumber && MARKS[marks[i + 1]!] === textNumber) return true
  return false
}

const compile = (rule: Rule): Compiled => ({
  rule,
  rank: rankOf(rule),
  stages: stagesOf(rule),
  enhanced:
    rule.enhanced.length === 0
      ? undefined
      : rule.enhanced.filter((e) => e !== 'none').map(compileEnhanced),
  orNone: rule.enhanced.includes('none'),
  pattern: rule.pattern === undefined ? undefined : new RegExp(rule.pattern),
  marks: rule.pattern === undefined ? undefined : marksOf(rule.pattern),
})

const COMPILED: readonly Compiled[] = RULES.map(compile).sort((a, b) => a.rank - b.rank)
const PROVIDERS: ReadonlySet<string> = new Set(RULES.flatMap((rule) => rule.provider))

/** provider → code → the rules that can apply, in the order in which they are asked; filled as codes are met. */
const INDEX = new Map<string, (readonly Compiled[] | undefined)[]>()

function candidates(provider: string | undefined, code: number): readonly Compiled[] {
  // why: only names of the table are kept apart, so that the index stays bounded whatever callers hand in.
  const key = provider !== undefined && PROVIDERS.has(provider) ? provider : ''
  let codes = INDEX.get(key)
  if (codes === undefined) INDEX.set(key, (codes = []))
  return (codes[code] ??= COMPILED.filter(
    ({ rule }) =>
      (rule.provider.length === 0 || rule.provider.includes(key)) &&
      (rule.codes.length === 0 ||
        rule.codes.includes(String(code)) ||
        rule.codes.includes(code < 500 ? '4xx' : '5xx')),
  ))
}

function enhancedFits(rule: Compiled, reply: Enhanced | undefined): boolean {
  if (rule.enhanced === undefined) return true
  if (reply === undefined) return rule.orNone
  return rule.enhanced.some(
    (range) =>
      (range.class === 0 || range.class === reply.class) &&
      range.subject === reply.subject &&
      range.from <= reply.from &&
      reply.from <= range.to,
  )
}

function findRule(reply: Reply, stage: Stage, provider: string | undefined): Rule | undefined {
  const enhanced = reply.enhanced === undefined ? undefined : compileEnhanced(reply.enhanced)
  const text = reply.text.slice(0, TEXT_LIMIT).toLowerCase()
  markText(text)
  for (const candidate of candidates(provider, reply.code)) {
    if (candidate.stages?.has(stage) === false) continue
    if (!enhancedFits(candidate, enhanced)) continue
    if (!mayMatch(candidate.marks) || candidate.pattern?.test(text) === false) continue
    return candidate.rule
  }
  return undefined
}

function permanenceOf(rule: Rule, code: number, stage: Stage): 'temporary' | 'permanent' {
  // RFC 5321 §4.2.1: the first digit tells; Gmail sends 421 5.7.32, where only the basic code is right.
  if (code < 500 || HOST_STAGES.has(stage)) return 'temporary'
  const aboutMail = rule.scope === 'message' || rule.scope === 'tenant'
  if (stage === 'mail' && !aboutMail) return 'temporary'
  if (rule.permanence !== undefined) return rule.permanence
  // Refused because of our address or our set-up: the mail may still go another way or another day.
  const ours = rule.scope === 'source' || rule.scope === 'us'
  return ours || PASSING.has(rule.category) ? 'temporary' : 'permanent'
}

function ofReply(reply: Reply, stage: Stage, provider: string | undefined): Verdict {
  const known = Number.isInteger(reply.code) && reply.code >= 400 && reply.code <= 599
  const rule = known ? findRule(reply, stage, provider) : undefined
  const nextHost = isNextHostStage(stage)
  if (rule === undefined)
    return {
      category: 'unknown',
      scope: nextHost ? 'destination' : 'recipient',
      permanence: 'temporary',
      action: nextHost ? 'next-host' : 'retry',
      rule: 'unknown-temporary',
    }
  const { category, scope, id } = rule
  const permanence = permanenceOf(rule, reply.code, stage)
  // RFC 5321 §3.8: 421 says that this host closes. One that shuts down is no reason to wait for the others.
  const closing = reply.code === 421 && category === 'remote-system' && stage !== 'body'
  const again = nextHost || closing ? 'next-host' : 'retry'
  return {
    category,
    scope,
    permanence,
    action: permanence === 'permanent' ? 'fail' : again,
    rule: id,
  }
}

function ofFault(fault: Fault, stage: Stage): Verdict {
  const { category, scope, permanence } = FAULT_VERDICTS[fault]
  const again = isNextHostStage(stage) && !HOSTLESS.has(fault) ? 'next-host' : 'retry'
  return {
    category,
    scope,
    permanence,
    action: permanence === 'permanent' ? 'fail' : again,
    rule: `fault-${fault}`,
  }
}

/**
 * What an outcome means. Never throws, whatever the remote wrote; about 2 µs for a refusal. An outcome that says
 * nothing usable is temporary, rule `unknown-temporary`.
 */
export function classify(outcome: Outcome, context: ClassifyContext = {}): Verdict {
  if (outcome.kind === 'accepted') return ACCEPTED
  if (outcome.reply !== undefined) return ofReply(outcome.reply, outcome.stage, context.provider)
  return ofFault(outcome.fault ?? 'connection-lost', outcome.stage)
}
