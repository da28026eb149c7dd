/**
 * From the open socket to the point where MAIL may be said: banner, EHLO, TLS, AUTH. It reports how far it came and
 * what was said; whether to try another host, or clear text, is decided elsewhere.
 */
import type { SecureContext } from 'node:tls'
import type { Stage, TlsFacts } from '../../core/outcome.ts'
import type { ParsedReply } from '../../protocol/reply.ts'
import { NO_CAPABILITIES, parseCapabilities } from './capabilities.ts'
import type { Capabilities } from './capabilities.ts'
import { failed, refused } from './ending.ts'
import type { Ending } from './ending.ts'
import type { Timeouts } from './timeouts.ts'
import { append, replyLines } from './transcript.ts'
import type { Transcript } from './transcript.ts'
import type { Wire } from './wire.ts'

export interface TlsWish {
  /** `opportunistic` uses what is offered; `required` sends nothing without it. */
  readonly mode: 'off' | 'opportunistic' | 'required'
  /** The certificate must be valid and name `servername`. Only heeded when TLS is required. */
  readonly verify: boolean
  /** SNI and the name to verify; undefined for a host known by its address alone. */
  readonly servername: string | undefined
  /** TLS from the first byte (port 465 of a next hop); counts as required. */
  readonly implicit: boolean
  /** PEM of a private authority to trust instead of the public ones. */
  readonly ca?: string
  /** Whose certificates count, ready made; undefined: the public authorities. `ca` goes before. */
  readonly trust?: SecureContext | undefined
}

export interface Credentials {
  readonly user: string
  readonly password: string
}

export interface GreetingOptions {
  readonly ehlo: string
  readonly tls: TlsWish
  readonly auth: Credentials | undefined
  readonly timeouts: Timeouts
}

export type Greeting =
  | { readonly ok: true; readonly capabilities: Capabilities; readonly tls: TlsFacts | undefined }
  | { readonly ok: false; readonly ending: Ending; readonly tls: TlsFacts | undefined }

interface Talk extends GreetingOptions {
  readonly wire: Wire
  readonly transcript: Transcript
}

/** Holds the greeting conversation. Never rejects for what the remote did; the wire may be broken afterwards. */
export async function greet(
  wire: Wire,
  transcript: Transcript,
  options: GreetingOptions,
): Promise<Greeting> {
  const talk: Talk = { ...options, wire, transcript }
  const wish = options.tls
  let tls: TlsFacts | undefined

  if (wish.implicit) {
    const secured = await secure(talk)
    if ('kind' in secured) return { ok: false, ending: secured, tls }
    tls = secured
  }

  const banner = await say(talk, '', options.timeouts.bannerMs)
  if (banner === undefined) return { ok: false, ending: lost(talk, 'banner'), tls }
  const unwelcome = refusal('banner', banner)
  if (unwelcome !== undefined) return { ok: false, ending: unwelcome, tls }

  let hello = await sayHello(talk)
  if ('kind' in hello) return { ok: false, ending: hello, tls }

  if (tls === undefined && wish.mode !== 'off') {
    const secured = await startTls(talk, hello)
    if (secured !== undefined && 'kind' in secured) return { ok: false, ending: secured, tls }
    if (secured !== undefined) {
      tls = secured
      // RFC 3207 §4.2: everything learnt in the clear is forgotten.
      hello = await sayHello(talk)
      if ('kind' in hello) return { ok: false, ending: hello, tls }
    }
  }

  if (options.auth !== undefined) {
    const unproven = await logIn(talk, hello, options.auth, tls !== undefined)
    if (unproven !== undefined) return { ok: false, ending: unproven, tls }
  }
  // More replies than commands: the next answer could be to anything.
  if (wire.broken !== undefined) return { ok: false, ending: lost(talk, 'ehlo'), tls }
  return { ok: true, capabilities: hello, tls }
}

/** One command and its reply, both in the transcript. `shown` stands for a line that holds a secret. */
async function say(
  { wire, transcript }: Talk,
  line: string,
  limitMs: number,
  shown = line,
): Promise<ParsedReply | undefined> {
  if (line !== '') append(transcript, `> ${shown}\n`)
  const reply = await wire.ask(line, limitMs)
  if (reply !== undefined) append(transcript, replyLines(reply))
  return reply
}

function lost({ wire }: Talk, stage: Stage): Ending {
  const { fault, detail } = wire.broken ?? { fault: 'connection-lost', detail: 'connection lost' }
  return failed(stage, fault, detail)
}

/** What a reply that is not 2yz means at `stage`; undefined when it is. */
function refusal(stage: Stage, reply: ParsedReply): Ending | undefined {
  if (reply.code < 300) return undefined
  return reply.code < 400
    ? failed(stage, 'protocol', `unexpected reply ${reply.code}`)
    : refused(stage, reply)
}

/** EHLO, or HELO for a server that does not know it (RFC 5321 §3.2). */
async function sayHello(talk: Talk): Promise<Capabilities | Ending> {
  const { ehlo, timeouts } = talk
  const first = await say(talk, `EHLO ${ehlo}`, timeouts.ehloMs)
  if (first === undefined) return lost(talk, 'ehlo')
  if (first.code < 300) return parseCapabilities(first.lines)
  if (first.code < 500) return refusal('ehlo', first) ?? NO_CAPABILITIES
  const second = await say(talk, `HELO ${ehlo}`, timeouts.ehloMs)
  // A server that hangs up on HELO has said what it had to say to EHLO.
  if (second === undefined) return refused('ehlo', first)
  return refusal('ehlo', second) ?? NO_CAPABILITIES
}

/** Undefined: the session goes on in the clear, which only an opportunistic wish allows. */
async function startTls(
  talk: Talk,
  { startTls: offered }: Capabilities,
): Promise<TlsFacts | Ending | undefined> {
  const required = talk.tls.mode === 'required'
  if (!offered) {
    return required ? failed('starttls', 'tls-required', 'STARTTLS is not offered') : undefined
  }
  const reply = await say(talk, 'STARTTLS', talk.timeouts.ehloMs)
  if (reply === undefined) return lost(talk, 'starttls')
  if (reply.code === 421) return refused('starttls', reply)
  if (reply.code !== 220) {
    if (!required) return undefined
    return failed('starttls', 'tls-required', `STARTTLS was answered with ${reply.code}`)
  }
  // What came along with the 220 was sent before the handshake, by whoever sits in between. A whole reply has
  // broken the wire already; this is for half a one.
  if (!talk.wire.quiet) {
    talk.wire.break('protocol', 'bytes in the clear after the reply to STARTTLS')
    return failed('starttls', 'protocol', 'bytes in the clear after the reply to STARTTLS')
  }
  return secure(talk)
}

async function secure({ wire, transcript, tls, timeouts }: Talk): Promise<TlsFacts | Ending> {
  const socket = await wire.secure(tls, timeouts.ehloMs)
  if (socket === undefined) {
    const { fault, detail } = wire.broken ?? { fault: 'tls-handshake', detail: 'handshake failed' }
    return failed('starttls', fault, detail)
  }
  const facts: TlsFacts = {
    protocol: socket.getProtocol() ?? 'unknown',
    cipher: socket.getCipher().name,
    // Node sets it for a chain that leads to a known root and, with a servername, for the right name.
    verified: socket.authorized && tls.servername !== undefined,
  }
  const trust = facts.verified ? 'verified' : 'not verified'
  append(transcript, `! ${facts.protocol} ${facts.cipher}, certificate ${trust}\n`)
  if (tls.verify && (tls.mode === 'required' || tls.implicit) && !facts.verified) {
    // `authorizationError` is a code such as CERT_HAS_EXPIRED, whatever its declared type says.
    const detail = `the certificate is not valid: ${String(socket.authorizationError)}`
    wire.break('tls-required', detail)
    return failed('starttls', 'tls-required', detail)
  }
  return facts
}

/** AUTH PLAIN or LOGIN, RFC 4954. Undefined when it worked. */
async function logIn(
  talk: Talk,
  { auth: offered }: Capabilities,
  { user, password }: Credentials,
  secured: boolean,
): Promise<Ending | undefined> {
  const limitMs = talk.timeouts.ehloMs
  if (!secured && talk.tls.mode !== 'off') {
    return failed('auth', 'tls-required', 'credentials are not sent without TLS')
  }
  const steps = offered.includes('PLAIN')
    ? [{ line: `AUTH PLAIN ${base64(`\0${user}\0${password}`)}`, shown: 'AUTH PLAIN [redacted]' }]
    : offered.includes('LOGIN')
      ? [
          { line: 'AUTH LOGIN', shown: 'AUTH LOGIN' },
          { line: base64(user), shown: '[redacted]' },
          { line: base64(password), shown: '[redacted]' },
        ]
      : undefined
  if (steps === undefined) return failed('auth', 'protocol', 'neither AUTH PLAIN nor LOGIN offered')
  for (const [index, { line, shown }] of steps.entries()) {
    const reply = await say(talk, line, limitMs, shown)
    if (reply === undefined) return lost(talk, 'auth')
    if (reply.code >= 400) return refused('auth', reply)
    const expected = index < steps.length - 1 ? 334 : 235
    if (reply.code !== expected) {
      return failed('auth', 'protocol', `unexpected reply ${reply.code} to AUTH`)
    }
  }
  return undefined
}

const base64 = (text: string): string => Buffer.from(text, 'utf8').toString('base64')
