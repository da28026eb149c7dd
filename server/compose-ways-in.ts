/** Part of the composition root: the listeners through which mail and questions come in. */
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import type { FastifyInstance } from 'fastify'
import type { Config } from './config/schema.ts'
import type { Ports } from './core/ports.ts'
import { buildHttp } from './http/app.ts'
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
  const server = await buildHttp({
    reader: makeReader(parts.store.read),
    submit: parts.submit,
    auth: parts.auth,
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
      keepAliveTimeoutMs: settings.keepAliveTimeout,
      requestsPerSecond: limits.requestsPerSecond,
      requestBurst: limits.requestBurst,
      messagesPerBatch: limits.messagesPerBatch,
      recipientsPerMessage: limits.recipientsPerMessage,
    },
    trustedProxies: settings.trustedProxies,
    metricsNetworks: settings.metricsNetworks,
    publicUrl: settings.publicUrl ?? `http://${host}:${port}`,
    version: VERSION,
  })
  await server.listen({ host, port })
  return server
}
