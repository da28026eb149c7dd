/**
 * The MTA-STS policy of a recipient domain: discovered, fetched, kept, and applied to its hosts. RFC 8461. Must never
 * make a mail bounce: who does not meet the policy gets it later or not at all; and must never let a name server that
 * is silent today undo a policy that is still valid.
 */
import { makeTtlCache } from '../../dns/cache.ts'
import type { Resolver } from '../core/dns.ts'
import type { Clock, Log } from '../core/ports.ts'
import {
  isNamedMx,
  MAX_POLICY_BYTES,
  parseStsPolicy,
  parseStsRecords,
} from '../protocol/mta-sts.ts'
import type { StsPolicy } from '../protocol/mta-sts.ts'
import type { Fetched, GuardedFetch } from './http/guarded.ts'
import { mxFailure } from './mx-failure.ts'
import type { MxFailure } from './mx-failure.ts'
import { findHostsOf, findMx } from './mx.ts'
import type { HostOptions } from './mx.ts'
import type { SessionHost } from './smtp/open-session.ts'

export interface KeptPolicy {
  /** Of the TXT record under which it was fetched. */
  readonly id: string
  readonly policy: StsPolicy
  readonly fetchedAt: number
  readonly expiresAt: number
}

/** What outlives a restart. */
export interface PolicyStore {
  load(domain: string): Promise<KeptPolicy | undefined>
  save(domain: string, kept: KeptPolicy): Promise<void>
}

export interface MtaStsDeps {
  readonly resolver: Resolver
  readonly fetch: GuardedFetch
  readonly store: PolicyStore
  readonly clock: Clock
  readonly log: Log
}

/** The policy in force, undefined without one. Never rejects; waits for the network once an hour and domain at most. */
export type PolicyOf = (domain: string) => Promise<StsPolicy | undefined>

const MINUTE_MS = 60_000
/** A domain without a policy, or whose policy cannot be had, is asked again after so long. */
const NEGATIVE_MS = 60 * MINUTE_MS
/** The same when nobody answered for its TXT record. */
const UNANSWERED_MS = 5 * MINUTE_MS
/** A domain with a policy: its TXT record is looked at again, which costs a question when its TTL is over. */
const POSITIVE_MS = MINUTE_MS
/** RFC 8461 §3.3: policies should be refreshed daily, long before they expire. */
const REFRESH_MS = 24 * 60 * MINUTE_MS
const MAX_DOMAINS = 50_000
/** A delivery waits for this, so it is less than the minute that RFC 8461 §3.3 suggests. */
const TIMES = { connectMs: 5_000, headerMs: 10_000, totalMs: 10_000 }

interface Known {
  readonly policy: StsPolicy | undefined
  readonly keepMs: number
}

export function makePolicyOf(deps: MtaStsDeps): PolicyOf {
  const known = makeTtlCache<Known>({
    clock: deps.clock,
    maxEntries: MAX_DOMAINS,
    ttlOf: ({ keepMs }) => keepMs,
    load: (domain) => discover(domain, deps),
  })
  return async (domain) => (await known.get(domain)).policy
}

/** RFC 8461 §5.1, with §3.3 for what to do when something cannot be had. */
async function discover(domain: string, deps: MtaStsDeps): Promise<Known> {
  const { resolver, clock, log } = deps
  // An address literal has nobody to publish a policy.
  if (domain.startsWith('[')) return { policy: undefined, keepMs: NEGATIVE_MS }
  const [answer, stored] = await Promise.all([
    resolver.resolve(`_mta-sts.${domain}`, 'TXT'),
    deps.store.load(domain).catch((error: unknown) => {
      log.error({ err: error, domain }, 'a kept MTA-STS policy could not be read')
      return undefined
    }),
  ])
  const now = clock.now()
  const valid = stored !== undefined && stored.expiresAt > now ? stored : undefined
  const id = answer.kind === 'found' ? parseStsRecords(answer.records) : undefined
  if (id === undefined) {
    if (valid !== undefined) return { policy: valid.policy, keepMs: POSITIVE_MS }
    const keepMs = answer.kind === 'failed' ? UNANSWERED_MS : NEGATIVE_MS
    return { policy: undefined, keepMs }
  }
  if (valid?.id === id && now - valid.fetchedAt < REFRESH_MS) {
    return { policy: valid.policy, keepMs: POSITIVE_MS }
  }
  const policy = policyIn(await deps.fetch(policyRequest(domain)))
  if (typeof policy === 'string') {
    const fields = { domain, detail: policy, kept: valid?.policy.mode }
    log.warn(fields, 'MTA-STS policy not available')
    return { policy: valid?.policy, keepMs: NEGATIVE_MS }
  }
  const fetchedAt = clock.now()
  const kept = { id, policy, fetchedAt, expiresAt: fetchedAt + policy.maxAgeMs }
  await deps.store.save(domain, kept).catch((error: unknown) => {
    log.error({ err: error, domain }, 'an MTA-STS policy could not be kept')
  })
  log.info({ domain, id, mode: policy.mode, mx: policy.mx.length }, 'MTA-STS policy fetched')
  return { policy, keepMs: POSITIVE_MS }
}

/** RFC 8461 §3.3: no redirects, and a certificate that proves the name. */
const policyRequest = (domain: string): Parameters<GuardedFetch>[0] => ({
  url: `https://mta-sts.${domain}/.well-known/mta-sts.txt`,
  header: { accept: 'text/plain' },
  maxBytes: MAX_POLICY_BYTES,
  times: TIMES,
})

/** Or why there is none. */
function policyIn(fetched: Fetched): StsPolicy | string {
  if (!fetched.ok) return `${fetched.fault}: ${fetched.detail}`
  if (fetched.status !== 200) return `status ${fetched.status}`
  const type = fetched.headers.get('content-type') ?? ''
  if (!/^text\/plain[ \t]*(?:;|$)/i.test(type)) return 'not text/plain'
  return parseStsPolicy(fetched.body.toString('utf8'))
}

export interface PolicedHosts {
  readonly kind: 'hosts'
  readonly hosts: readonly SessionHost[]
  /** Nothing may be sent to them but over verified TLS. */
  readonly mustVerify: boolean
}

/**
 * The hosts of a domain as its policy allows them. In mode enforce, hosts that it does not name are left out before
 * their addresses are asked for, and the others need TLS with a certificate that proves the host's name (RFC 8461
 * §4.2, §5); with none left the failure is temporary. In mode testing only the transcript says what would have been.
 */
export async function findPolicedHosts(
  domain: string,
  options: HostOptions,
  policyOf: PolicyOf,
): Promise<PolicedHosts | MxFailure> {
  const [found, policy] = await Promise.all([findMx(domain, options), policyOf(domain)])
  if (found.kind === 'failed') return found
  const mode = policy?.mode ?? 'none'
  if (policy === undefined || mode === 'none') {
    const any = await findHostsOf(found, options)
    return any.kind === 'failed' ? any : { kind: 'hosts', hosts: any.hosts, mustVerify: false }
  }
  const isAllowed = ({ name }: { readonly name: string }): boolean =>
    mode === 'testing' || isNamedMx(name, policy)
  const mx = found.mx.filter(isAllowed)
  if (mx.length === 0) {
    const detail = `the MTA-STS policy of ${domain} names none of its mail hosts`
    return mxFailure('tls-required', '4.7.5', detail, 0)
  }
  const allowed = await findHostsOf({ ...found, mx }, options)
  if (allowed.kind === 'failed') return allowed
  const mustVerify = mode === 'enforce'
  const hosts = allowed.hosts.map((host): SessionHost => {
    const named = isNamedMx(host.name, policy) ? '' : ', which does not name this host'
    return {
      ...host,
      remark: `MTA-STS policy of ${domain}, mode ${mode}${named}`,
      ...(mustVerify ? { tls: { mode: 'required', verify: true, implicit: false } } : {}),
    }
  })
  return { kind: 'hosts', hosts, mustVerify }
}
