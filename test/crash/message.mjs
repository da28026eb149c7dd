/**
 * Messages that prove by themselves that they arrived whole: a header field carries the hash of the body. Sizes are
 * mixed, from a line to more than what the program keeps in its database.
 */
import { createHash } from 'node:crypto'

const LINE = 76
const POOL_LINES = 12_000
/** Above the default `store.spoolOver`, 256 KiB, so that the body becomes a file. */
const LARGE = [300 * 1024, 600 * 1024]

const hashOf = (bytes) => createHash('sha256').update(bytes).digest('hex')

/** Lines to cut bodies from; some begin with a dot, which has to be stuffed on the wire. */
function makePool(random) {
  const lines = []
  for (let i = 0; i < POOL_LINES; i++) {
    const letters = Array.from({ length: LINE - 2 }, () => random.whole(33, 126))
    if (random.chance(0.05)) letters[0] = 46
    lines.push(Buffer.from([...letters, 13, 10]))
  }
  return Buffer.concat(lines)
}

function makeSizes(random, largeShare) {
  return () => {
    const dice = random.next()
    if (dice < largeShare) return random.whole(...LARGE)
    if (dice < largeShare + 0.05) return random.whole(10_000, 100_000)
    return random.whole(100, 4_000)
  }
}

/** `domain()` names the domain of the next message; `largeShare` of the messages become files. */
export function makeMessages(random, { domain, largeShare }) {
  const pool = makePool(random)
  const size = makeSizes(random, largeShare)
  let made = 0

  function bodyOf(length) {
    const lines = Math.max(1, Math.floor(length / LINE))
    const first = random.whole(0, POOL_LINES - lines) * LINE
    return pool.subarray(first, first + lines * LINE)
  }

  /** The envelope and the parts; each recipient address is used once in the whole run. */
  function next() {
    const token = `m${++made}`
    const recipients = random.chance(0.1) ? random.whole(2, 6) : 1
    const body = bodyOf(size())
    const at = domain()
    return {
      token,
      from: 'load@crash.test',
      recipients: Array.from({ length: recipients }, (_, i) => `${token}.${i}@${at}`),
      body,
      fields: { 'X-Crash-Token': token, 'X-Crash-Body': hashOf(body) },
    }
  }

  return {
    next,
    get made() {
      return made
    },
  }
}

/** The bytes for SMTP and for POST /v1/messages/raw. */
export function rawOf({ from, token, fields, body }) {
  const header = Object.entries({
    From: from,
    To: 'undisclosed-recipients:;',
    Subject: `Crash ${token}`,
    Date: new Date().toUTCString(),
    'Message-ID': `<${token}@crash.test>`,
    ...fields,
  })
    .map(([name, value]) => `${name}: ${value}\r\n`)
    .join('')
  return Buffer.concat([Buffer.from(`${header}\r\n`, 'latin1'), body])
}

/** The body of POST /v1/messages. */
export const partsOf = ({ from, recipients, token, fields, body }) => ({
  from,
  to: recipients,
  subject: `Crash ${token}`,
  text: body.toString('latin1'),
  headers: fields,
})

/** What arrived, read back: is it whole, and what is it. `raw` is without dot-stuffing. */
export function readMessage(raw) {
  const headerEnd = raw.indexOf('\r\n\r\n')
  const header = raw.latin1Slice(0, Math.max(0, headerEnd) + 2)
  const field = (name) => new RegExp(`^${name}: *(\\S+)\\r$`, 'im').exec(header)?.[1] ?? ''
  return {
    token: field('X-Crash-Token'),
    messageId: field('Message-ID'),
    isWhole: headerEnd > 0 && field('X-Crash-Body') === hashOf(raw.subarray(headerEnd + 4)),
  }
}
