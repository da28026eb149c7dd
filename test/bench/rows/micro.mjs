/** Decisions alone, on one thread: how many replies are classified and how many rate decisions taken in a second. */
import { load } from '../lib/server.mjs'

const SECONDS = 1

/** Calls `work(i)` for a while to get warm, then for a second; resolves with calls per second. */
function rateOf(work) {
  const loop = (ms) => {
    const startedAt = performance.now()
    let calls = 0
    while (performance.now() - startedAt < ms) for (let i = 0; i < 100; i++) work(calls++)
    return calls / ((performance.now() - startedAt) / 1000)
  }
  loop(200)
  return loop(SECONDS * 1000)
}

const REPLIES = [
  [250, '2.0.0', '250 2.0.0 OK 1700000000 a1-20020a05 - gsmtp'],
  [421, '4.7.28', '421-4.7.28 Gmail has detected an unusual rate of unsolicited mail'],
  [550, '5.1.1', '550 5.1.1 The email account that you tried to reach does not exist'],
  [452, '4.2.2', '452 4.2.2 The recipient mailbox is over quota'],
  [550, '5.7.1', '550 5.7.1 Service unavailable; client host blocked using a blocklist'],
  [451, '4.7.500', '451 4.7.500 Server busy. Please try again later'],
  [554, undefined, '554 Transaction failed for reasons that nobody has heard of before'],
]

const outcomes = REPLIES.map(([code, enhanced, text]) => ({
  kind: code < 400 ? 'accepted' : 'refused',
  stage: code < 400 ? 'body' : 'rcpt',
  reply: { code, enhanced, text, lines: [text] },
}))

export const micro = {
  name: 'micro',
  title: 'Decisions',
  async run() {
    const { classify } = await load('server/policy/classify.js')
    const { paceFrom, paceText, take } = await load('server/policy/pace.js')
    const classified = rateOf((i) =>
      classify(outcomes[i % outcomes.length], { provider: undefined }),
    )
    let pace = ''
    const paced = rateOf((i) => {
      pace = paceText(
        take(paceFrom(pace), { messages: 600, perMs: 60_000 }, 1_800_000_000_000 + i * 50, 1).state,
      )
    })
    return {
      figures: [
        { what: 'replies classified', value: classified, unit: '/s' },
        { what: 'rate decisions, state read and written as text', value: paced, unit: '/s' },
      ],
      notes: ['On one thread, in this process.'],
    }
  },
}
