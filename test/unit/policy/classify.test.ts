import { readFileSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { FAULTS, STAGES } from '../../../server/core/outcome.ts'
import type { Fault, Outcome, Stage, Verdict } from '../../../server/core/outcome.ts'
import { RULES, classify } from '../../../server/policy/classify.ts'
import { explainVerdict } from '../../../server/policy/explain-verdict.ts'
import { accepted, failed, refused } from './replies.ts'

const REPLIES = join(import.meta.dirname, '../../golden/replies')
/** Categories that suppress an address: the ones that must never be wrong. */
const ADDRESS_IS_DEAD: readonly string[] = ['unknown-user', 'inactive-mailbox', 'bad-domain']

interface Golden {
  readonly provider: string | undefined
  readonly reply: string
  readonly stage: Stage
  readonly expected: readonly [category: string, scope: string, permanence: string]
}

function readGolden(file: string): readonly Golden[] {
  return readFileSync(join(REPLIES, file), 'utf8')
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('#'))
    .map((line) => {
      const [reply = '', category = '', scope = '', permanence = '', word = 'rcpt'] =
        line.split('\t')
      const stage = STAGES.find((known) => known === word)
      expect(stage, `stage of: ${line}`).toBeDefined()
      const provider = file === 'any.txt' ? undefined : file.slice(0, -'.txt'.length)
      return { provider, reply, stage: stage!, expected: [category, scope, permanence] }
    })
}
const GOLDEN = readdirSync(REPLIES).map((file) => [file, readGolden(file)] as const)

describe('the replies of', () => {
  test.each(GOLDEN)('%s', (_file, lines) => {
    expect(lines.length).toBeGreaterThan(0)
    for (const { reply, stage, provider, expected } of lines) {
      const { category, scope, permanence, rule } = classify(refused(reply, stage), { provider })
      expect([reply, rule, category, scope, permanence]).toEqual([reply, rule, ...expected])
    }
  })

  test('every provider, read without knowing whose they are, never kill a living address', () => {
    // Only the provider tells these apart from what everybody else means by them.
    const undecidable = ['550 Mailbox unavailable or access denied']
    for (const { reply, stage, expected } of GOLDEN.flatMap(([, lines]) => lines)) {
      if (ADDRESS_IS_DEAD.includes(expected[0]) || undecidable.includes(reply)) continue
      const { category, permanence, rule } = classify(refused(reply, stage))
      const kills = permanence === 'permanent' && ADDRESS_IS_DEAD.includes(category)
      expect({ reply, rule, kills }).toEqual({ reply, rule, kills: false })
    }
  })
})

describe('the stage of a refusal', () => {
  const HOST_STAGES: readonly Stage[] = ['connect', 'banner', 'ehlo', 'starttls', 'auth']

  test('nothing that is said before MAIL ends a delivery or concerns a recipient or a message', () => {
    for (const rule of RULES)
      for (const example of rule.examples)
        for (const stage of HOST_STAGES) {
          const verdict = classify(refused(example, stage), { provider: rule.provider[0] })
          expect({ example, stage, ...verdict }).toMatchObject({ permanence: 'temporary' })
          if (verdict.rule !== 'unknown-temporary')
            expect({ example, stage, scope: verdict.scope }).not.toMatchObject({
              scope: expect.stringMatching(/recipient|message/) as string,
            })
        }
  })

  test('nothing that is said to MAIL is about a recipient', () => {
    for (const rule of RULES)
      for (const example of rule.examples) {
        const verdict = classify(refused(example, 'mail'), { provider: rule.provider[0] })
        if (verdict.rule !== 'unknown-temporary') expect(verdict.scope).not.toBe('recipient')
      }
  })

  test('no 4yz reply ends a delivery', () => {
    for (const rule of RULES)
      for (const example of rule.examples)
        for (const stage of STAGES) {
          const outcome = refused(`4${example.slice(1)}`, stage)
          const verdict = classify(outcome, { provider: rule.provider[0] })
          expect(verdict.permanence).toBe('temporary')
        }
  })

  test.each<[string, string, Stage, Verdict['action']]>([
    ['421 at the greeting', '421 Too busy', 'banner', 'next-host'],
    ['5yz at the greeting', '554 No', 'banner', 'next-host'],
    ['4yz at EHLO', '451 Not now', 'ehlo', 'next-host'],
    ['STARTTLS refused', '454 4.7.0 TLS not available', 'starttls', 'next-host'],
    ['credentials fail at every host', '535 5.7.8 Bad credentials', 'auth', 'retry'],
    ['4yz after MAIL does not walk the hosts', '451 4.3.0 Later', 'rcpt', 'retry'],
    ['a host that shuts down', '421 4.3.2 Shutting down', 'rcpt', 'next-host'],
    ['not after the final dot', '421 4.3.2 Shutting down', 'body', 'retry'],
    ['a rate is no host’s affair', '421 4.7.28 Unusual rate of mail', 'mail', 'retry'],
    ['a refusal at RCPT', '550 5.1.1 No such user', 'rcpt', 'fail'],
    [
      'a block of our address is tried again',
      '554 5.7.1 blocked using zen.spamhaus.org',
      'rcpt',
      'retry',
    ],
  ])('%s: %s at %s → %s', (_why, reply, stage, action) => {
    expect(classify(refused(reply, stage)).action).toBe(action)
  })
})

describe('faults', () => {
  test.each<[Fault, Stage, string]>([
    ['dns-temporary', 'dns', 'network destination temporary retry'],
    ['dns-permanent', 'dns', 'bad-domain destination permanent fail'],
    ['private-target', 'dns', 'routing destination permanent fail'],
    ['mx-loop', 'dns', 'routing destination permanent fail'],
    ['connect-refused', 'connect', 'network destination temporary next-host'],
    ['connect-timeout', 'connect', 'network destination temporary next-host'],
    ['unreachable', 'connect', 'network destination temporary next-host'],
    ['source-unbound', 'connect', 'network us temporary retry'],
    ['tls-handshake', 'starttls', 'tls destination temporary next-host'],
    ['tls-required', 'starttls', 'tls destination temporary next-host'],
    ['timeout', 'banner', 'network destination temporary next-host'],
    ['timeout', 'rcpt', 'network destination temporary retry'],
    ['connection-lost', 'ehlo', 'network destination temporary next-host'],
    ['connection-lost', 'data', 'network destination temporary retry'],
    ['connection-lost', 'body', 'network destination temporary retry'], // in doubt: may have arrived
    ['protocol', 'banner', 'protocol destination temporary next-host'],
    ['needs-smtputf8', 'mail', 'protocol message permanent fail'],
    ['too-big', 'mail', 'too-big message permanent fail'],
  ])('%s at %s: %s', (fault, stage, expected) => {
    const { category, scope, permanence, action, rule } = classify(failed(fault, stage))
    expect(`${category} ${scope} ${permanence} ${action}`).toBe(expected)
    expect(rule).toBe(`fault-${fault}`)
  })

  test('each of them has a verdict', () => {
    for (const fault of FAULTS) expect(classify(failed(fault, 'connect')).rule).toContain(fault)
  })
})

describe('what is not known is temporary', () => {
  test.each<[string, Outcome]>([
    ['a 4yz without meaning', refused('450 Hm', 'rcpt')],
    ['a positive reply in the wrong place', refused('250 Fine', 'body')],
    ['an intermediate reply', refused('354 Go on', 'body')],
    ['a number that is no reply code', refused('999 Oops', 'rcpt')],
    ['a malformed enhanced code', refused({ code: 450, enhanced: '4.x', text: 'Hm' }, 'rcpt')],
  ])('%s', (_why, outcome) => {
    expect(classify(outcome)).toMatchObject({
      category: 'unknown',
      permanence: 'temporary',
      action: 'retry',
      rule: 'unknown-temporary',
    })
  })

  test('an outcome with neither reply nor fault is a lost connection', () => {
    const outcome = { ...failed('timeout', 'rcpt'), fault: undefined }
    expect(classify(outcome)).toMatchObject({ category: 'network', permanence: 'temporary' })
  })
})

test('an accepted mail is delivered', () => {
  expect(classify(accepted)).toEqual({
    category: 'delivered',
    scope: 'recipient',
    permanence: 'final',
    action: 'complete',
    rule: 'accepted',
  })
})

test.each<[Outcome, string | undefined, string]>([
  [
    refused('550 5.1.1 The email account that you tried to reach does not exist.'),
    'google',
    'The mailbox does not exist (rule google-unknown-user); the delivery ends.',
  ],
  [
    refused('421 Bye', 'banner'),
    undefined,
    'The remote server has a problem of its own (rule basic-closing); another host is tried, and if there is none it will be tried again later.',
  ],
  [
    accepted,
    undefined,
    'The remote server accepted the mail (rule accepted); the delivery is done.',
  ],
  [
    refused('550 5.7.26 Unauthenticated email', 'body'),
    'google',
    'The proof of origin (SPF, DKIM, DMARC or reverse DNS) was not accepted, which concerns the sending domain (rule google-unauthenticated); the delivery ends.',
  ],
])('a verdict is a sentence (%#)', (outcome, provider, sentence) => {
  expect(explainVerdict(classify(outcome, { provider }))).toBe(sentence)
})
