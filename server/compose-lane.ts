/** Part of the composition root: everything a lane needs to reach the outside. */
import type { Config } from './config/schema.ts'
import type { Ports } from './core/ports.ts'
import { guardedFetch } from './delivery/http/guarded.ts'
import { findPolicedHosts, makePolicyOf } from './delivery/mta-sts.ts'
import type { PolicyOf } from './delivery/mta-sts.ts'
import { findHostsOf } from './delivery/mx.ts'
import type { HostOptions } from './delivery/mx.ts'
import { openSession } from './delivery/smtp/open-session.ts'
import { createTlsMemory } from './delivery/smtp/tls-memory.ts'
import { readTrust } from './delivery/trust.ts'
import type { Seal } from './services/auth/seal.ts'
import type { Catalog } from './services/catalog.ts'
import { effectiveLimits } from './services/limits.ts'
import { makeHosts } from './services/lane/hosts.ts'
import { makePolicyStore } from './services/lane/policy-store.ts'
import { makeRenderer } from './services/lane/render.ts'
import type { LaneDeps } from './services/lane/run.ts'
import type { Metrics } from './services/metrics.ts'
import type { Routing } from './services/routing.ts'
import type { Bodies } from './store/body.ts'
import type { Store } from './store/open.ts'

export interface LaneParts {
  readonly config: Config
  readonly ports: Ports
  readonly hostname: string
  readonly hostOptions: HostOptions
  readonly store: Store
  readonly bodies: Bodies
  readonly catalog: Catalog
  readonly metrics: Metrics
  readonly seal: Seal
  readonly returnPathKey: Buffer
  readonly routing: Pick<Routing, 'destinationOf'>
  readonly wakeRouter: (domain: string, at: number) => void
}

export function composeLane(parts: LaneParts): LaneDeps {
  const { ports, hostname, hostOptions, store, bodies, catalog, metrics, seal } = parts
  const { clock, random, log } = ports
  const { delivery } = parts.config
  const tlsMemory = createTlsMemory()
  const trust = delivery.caFile === undefined ? undefined : readTrust(delivery.caFile)
  const web = { ...hostOptions, clock, dial: ports.dial, trust }
  const policyOf: PolicyOf =
    delivery.mtaSts === 'off'
      ? () => Promise.resolve(undefined)
      : makePolicyOf({
          resolver: hostOptions.resolver,
          fetch: (request) => guardedFetch(request, web),
          store: makePolicyStore(store),
          clock,
          log,
        })
  const renderer = makeRenderer({
    seal,
    returnPath: {
      domain: delivery.returnPathDomain,
      key: parts.returnPathKey,
    },
  })
  return {
    writer: store.writer,
    clock,
    random,
    log,
    metrics,
    settings: {
      lingerMs: delivery.laneLinger,
      isShared: parts.config.redis.url !== undefined,
      jitter: delivery.retry.jitter,
      schedules: {
        transactional: delivery.retry.transactional.schedule,
        bulk: delivery.retry.bulk.schedule,
      },
    },
    limitsOf: (lane) =>
      effectiveLimits(catalog.current, { source: lane.source, destination: lane.target }),
    hostsOf: (lane) =>
      makeHosts({
        destination: lane.target,
        destinationOf: (domain) => parts.routing.destinationOf(domain),
        clock,
        findHosts: (domain) => findPolicedHosts(domain, hostOptions, policyOf),
        // A next hop is the operator's own choice: private networks are where most of them are.
        findAddressesOf: (host) =>
          findHostsOf(
            {
              kind: 'found',
              mx: [{ name: host, preference: 0 }],
              implicit: true,
              authentic: false,
              ttlMs: 0,
            },
            { ...hostOptions, allowPrivateNetworks: true },
          ),
      }),
    wakeRouter: parts.wakeRouter,
    copyOf: async (delivered) => {
      const { message, spool, copies } = delivered
      const raw = await (copies === 1 ? bodies.take(message, spool) : bodies.load(message, spool))
      if (raw === undefined) return undefined
      return renderer.render(delivered, raw, catalog.current, clock.now())
    },
    open(lane, hosts, limits) {
      const source = catalog.current.sources.get(lane.source)
      const { target } = lane
      const hop = target.kind === 'next-hop' ? target : undefined
      const tls = hop === undefined ? limits.tls : hop.tls
      return openSession({
        dial: ports.dial,
        clock,
        tlsMemory,
        hosts: hosts.hosts,
        port: hop?.port ?? delivery.port,
        source: { ip: source?.ip, ehlo: source?.ehlo ?? delivery.ehlo ?? hostname },
        tls: {
          mode: tls === 'implicit' ? 'required' : tls,
          implicit: tls === 'implicit',
          verify: hop !== undefined && tls !== 'opportunistic',
          trust,
        },
        auth:
          hop?.user === undefined
            ? undefined
            : { user: hop.user, password: seal.open(hop.password ?? '', 'next-hop') },
        timeouts: {
          connectMs: delivery.timeouts.connect,
          bannerMs: delivery.timeouts.banner,
          ehloMs: delivery.timeouts.ehlo,
          mailMs: delivery.timeouts.mail,
          rcptMs: delivery.timeouts.rcpt,
          dataMs: delivery.timeouts.data,
          bodyMs: delivery.timeouts.body,
        },
      })
    },
  }
}
