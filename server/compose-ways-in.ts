/** Part of the composition root: the listeners through which mail and questions come in. */
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import type { FastifyInstance } from 'fastify'
import type { Control } from './compose-control.ts'
import type { Config } from './config/schema.ts'
import type { Ports } from './core/ports.ts'
import { buildHttp } from './http/app.ts'
import { openTls } from './http/tls.ts'
import type { Authenticator } from './services/auth/authenticate.ts'
import { trustedPrincipal } from './services/auth/principal.ts'
import type { Catalog } from './services/catalog.ts'
import type { Explain } from './services/explain.ts'
import type { Health } from './services/health.ts'
import type { Messages } from './services/messages.ts'
import type { Metrics } from './services/metrics.ts'
import type { Submit } from './services/submit-contract.ts'
import { loadCertificate } from './smtp/certificate.ts'
import type { SubmissionCounters } from './smtp/session-context.ts'
import { startSubmission } from './smtp/submission.ts'
import type { SubmissionServer } from './smtp/submission.ts'
import type { Store } from './store/open.ts'
import { makeReader } from './store/read/reader.ts'
import { VERSION } from './version.ts'

export interface WaysInParts {
  readonly config: Config
  readonly ports: Ports
  readonly hostname: string
  readonly store: Store
  readonly catalog: Catalog
  readonly auth: Authenticator
  readonly control: Control
  /** How people reach this installation, without a trailing slash. */
  readonly publicUrl: string
  readonly submit: Submit
  readonly messages: Messages
  readonly explain: Explain
  readonly metrics: Metrics
  readonly counters: SubmissionCounters
  readonly health: () => Promise<Health>
}

const MAX_BAD_COMMANDS = 20

export async function openSubmission(parts: WaysInParts): Promise<SubmissionServer> {
  const { config, ports, hostname, catalog, submit, auth, counters } = parts
  const { clock, random, log } = ports
  const { submission: settings } = config
  const tempDir = join(config.dataDir, 'incoming')
  mkdirSync(tempDir, { recursive: true, mode: 0o700 })
  const { certificate: cert, key } = settings
  return startSubmission({
    listeners: settings.listeners.map(({ listen, tls, trustedNetworks }) => ({
      ...listen,
      tls,
      trustedNetworks,
    })),
    certificate: await loadCertificate({
      dataDir: config.dataDir,
      hostname,
      clock,
      files: cert === undefined || key === undefined ? undefined : { cert, key },
    }),
    hostname,
    limits: {
      maxMessageSize: settings.maxMessageSize,
      maxRecipients: settings.maxRecipients,
      maxConnections: settings.maxConnections,
      maxConnectionsPerIp: settings.maxConnectionsPerIp,
      idleTimeoutMs: settings.idleTimeout,
      spoolOver: config.store.spoolOver,
      bodyMemory: settings.bodyMemory,
      maxBadCommands: MAX_BAD_COMMANDS,
    },
    credentialLimits: settings.perCredential,
    submit,
    auth,
    trustedPrincipal: () => trustedPrincipal(catalog.current),
    clock,
    random,
    log,
    tempDir,
    counters,
  })
}

/** Listening already. */
export async function openHttp(parts: WaysInParts): Promise<FastifyInstance> {
  const { config, ports, messages, metrics } = parts
  const { http: settings, limits } = config
  const { host, port } = settings.listen
  const { clock, log } = ports
  const tls =
    settings.certificate === undefined || settings.key === undefined
      ? undefined
      : await openTls({ files: { cert: settings.certificate, key: settings.key }, clock, log })
  const server = await buildHttp({
    reader: makeReader(parts.store.across.read),
    submit: parts.submit,
    auth: parts.auth,
    control: {
      ...parts.control,
      links: parts.control.accountLinks,
      random: ports.random,
      sessionLifetimeMs: config.security.sessionLifetime,
      publicUrl: settings.publicUrl,
    },
    cancel: (actor, tenant, message) => messages.cancel(actor, tenant, message),
    content: (tenant, message) => messages.content(tenant, message),
    explain: parts.explain,
    metricsText: () => metrics.text(),
    observe: (facts) => metrics.request(facts),
    health: parts.health,
    clock: ports.clock,
    log: ports.log,
    limits: {
      bodyLimit: settings.bodyLimit,
      requestTimeoutMs: settings.requestTimeout,
      handlerTimeoutMs: settings.handlerTimeout,
      keepAliveTimeoutMs: settings.keepAliveTimeout,
      requestsPerSecond: limits.requestsPerSecond,
      requestBurst: limits.requestBurst,
      messagesPerBatch: limits.messagesPerBatch,
      recipientsPerMessage: limits.recipientsPerMessage,
    },
    trustedProxies: settings.trustedProxies,
    corsOrigins: settings.corsOrigins,
    tls,
    metricsNetworks: settings.metricsNetworks,
    publicUrl: parts.publicUrl,
    version: VERSION,
  })
  if (tls !== undefined) server.addHook('onClose', () => tls.close())
  await server.listen({ host, port })
  return server
}
