/**
 * Finds a host of a site that will talk: walks hosts and addresses on failures of the host, and falls back to clear
 * text where TLS is a wish and not a duty. It must never do so when TLS is required or a password would be sent.
 */
import { isIP, isIPv6 } from 'node:net'
import type { Outcome } from '../../core/outcome.ts'
import { openConnection } from './connection.ts'
import type { ConnectOptions, Opened } from './connection.ts'
import { failed, toOutcome } from './ending.ts'
import type { TlsWish } from './greeting.ts'
import { BROKEN_TLS_MS } from './tls-memory.ts'
import type { TlsMemory } from './tls-memory.ts'

/** Per attempt, as Postfix: enough to find a live host, too few to hammer a site that does not want us. */
const MAX_ADDRESSES = 5
const MAX_SESSIONS = 2

export type SessionTls = Omit<TlsWish, 'servername'>

export interface SessionHost {
  /** Lower case name; what TLS verifies and the memory of broken TLS is kept under. */
  readonly name: string
  readonly addresses: readonly string[]
  /** Where a host has a policy of its own (MTA-STS, DANE); else that of the session. */
  readonly tls?: SessionTls
  /** Why TLS is asked for, or would be: goes into the transcript, and into the detail when TLS fails. */
  readonly remark?: string
}

export interface SessionOptions extends Pick<
  ConnectOptions,
  'dial' | 'clock' | 'port' | 'auth' | 'timeouts' | 'transcriptChars'
> {
  /** In order of preference. */
  readonly hosts: readonly SessionHost[]
  readonly source: { readonly ip: string | undefined; readonly ehlo: string }
  readonly tls: SessionTls
  readonly tlsMemory: TlsMemory
}

/**
 * The first connection that can be had, or the outcome of the last try, its transcript holding all of them. At most
 * five addresses are dialled and two sessions begun. Rejects only for a bug.
 */
export async function openSession(options: SessionOptions): Promise<Opened> {
  const { hosts, source } = options
  let last: Outcome | undefined
  let addresses = 0
  let sessions = 0
  let refusedByReply = false

  for (const host of hosts) {
    for (const ip of host.addresses) {
      if (source.ip !== undefined && isIPv6(source.ip) !== isIPv6(ip)) continue
      // A site that refused us has seen our reputation; coming again over IPv6 reads as evasion.
      if (refusedByReply && isIPv6(ip)) continue
      if (addresses === MAX_ADDRESSES || sessions === MAX_SESSIONS) break
      addresses++
      const opened = await openHost(options, host, ip, last?.transcript ?? '')
      if (opened.ok || concernsEveryHost(opened.outcome)) return opened
      last = opened.outcome
      if (last.stage !== 'connect') sessions++
      if (last.kind === 'refused') {
        refusedByReply = true
        break // the host has spoken; its other addresses would say the same
      }
    }
  }
  return { ok: false, outcome: last ?? nobodyToCall(options) }
}

/** One address; under an opportunistic wish a broken handshake is repaired by a new connection in the clear. */
async function openHost(
  options: SessionOptions,
  host: SessionHost,
  ip: string,
  before: string,
): Promise<Opened> {
  const { clock, tlsMemory, source } = options
  const { remark } = host
  const earlier = remark === undefined ? before : `${before}! ${remark}\n`
  const tls = { ...options.tls, ...host.tls }
  const mayFallBack = tls.mode === 'opportunistic' && !tls.implicit && options.auth === undefined
  const servername = isIP(host.name) === 0 ? host.name : undefined
  const connect = (mode: TlsWish['mode'], text: string): Promise<Opened> =>
    openConnection({
      ...options,
      host: host.name,
      ip,
      sourceIp: source.ip,
      ehlo: source.ehlo,
      tls: { ...tls, mode, servername },
      before: text,
    })

  if (mayFallBack && tlsMemory.isBroken(host.name, clock.now())) {
    return connect('off', `${earlier}! TLS of ${host.name} failed lately: in the clear\n`)
  }
  const opened = await connect(tls.mode, earlier)
  if (opened.ok) return opened
  if (host.tls !== undefined && remark !== undefined) return explained(opened.outcome, remark)
  if (!mayFallBack) return opened
  if (!brokeInHandshake(opened.outcome)) return opened
  const clear = await connect('off', `${opened.outcome.transcript}! again in the clear\n`)
  // Only a host that does work without TLS has shown that TLS was the trouble.
  if (clear.ok) tlsMemory.remember(host.name, clock.now() + BROKEN_TLS_MS)
  return clear
}

/** A failure of TLS that was asked for says by whom. */
const explained = (outcome: Outcome, remark: string): Opened => {
  const { stage, fault, detail } = outcome
  const isTls = stage === 'starttls' && fault !== undefined
  return { ok: false, outcome: isTls ? { ...outcome, detail: `${detail} (${remark})` } : outcome }
}

/** The peer or something in between chokes on TLS. A breach of protocol is not repaired by weakening ourselves. */
const brokeInHandshake = ({ stage, fault }: Outcome): boolean =>
  stage === 'starttls' &&
  (fault === 'tls-handshake' || fault === 'timeout' || fault === 'connection-lost')

/** Our own address or password is at fault: the next host would only see the same. */
const concernsEveryHost = ({ stage, kind, fault }: Outcome): boolean =>
  fault === 'source-unbound' || (stage === 'auth' && kind === 'refused')

function nobodyToCall({ hosts, source, clock }: SessionOptions): Outcome {
  const detail =
    hosts.length === 0 ? 'the site has no host' : `no host has an address of our kind of IP`
  const peer = { host: hosts[0]?.name, ip: undefined, sourceIp: source.ip, tls: undefined }
  const now = clock.now()
  const times = { startedAt: now, endedAt: now }
  return toOutcome(failed('connect', 'unreachable', detail), peer, times, `! ${detail}\n`)
}
