/** The OpenAPI document without a running installation, for `docs/openapi.json` and for tests. */
import type { Log } from '../core/ports.ts'
import { buildHttp } from './app.ts'
import type { HttpDeps, HttpLimits } from './deps.ts'
import { describeApi } from './openapi.ts'
import type { Json } from './json.ts'

const silent: Log = {
  debug: () => undefined,
  info: () => undefined,
  warn: () => undefined,
  error: () => undefined,
  child: () => silent,
}
const neverAsked = (): never => {
  throw new Error('The document is made without an installation; nothing can be asked of it.')
}
/** Routes take what they need apart when they are registered; nothing of it is called. */
const nobody = new Proxy({}, { get: () => neverAsked })
/** The defaults of the configuration, so that the generated file does not depend on any installation's. */
const DEFAULT_LIMITS: HttpLimits = {
  bodyLimit: 50 * 1024 * 1024,
  requestTimeoutMs: 60_000,
  handlerTimeoutMs: 30_000,
  keepAliveTimeoutMs: 72_000,
  requestsPerSecond: 100,
  requestBurst: 200,
  messagesPerBatch: 1000,
  recipientsPerMessage: 1000,
}

/** `version` is the program's. The result is plain JSON, the same every time. */
export async function openApiDocument(version: string): Promise<Json> {
  const deps: HttpDeps = {
    reader: {
      messages: neverAsked,
      message: neverAsked,
      delivery: neverAsked,
      events: neverAsked,
    },
    submit: { raw: neverAsked, built: neverAsked, checkBudget: neverAsked },
    auth: { key: neverAsked, hasTenant: neverAsked, countryOf: neverAsked },
    // Every field of it is `neverAsked`.
    control: nobody as HttpDeps['control'],
    cancel: neverAsked,
    content: neverAsked,
    explain: neverAsked,
    metricsText: neverAsked,
    health: neverAsked,
    clock: { now: neverAsked, after: neverAsked, sleep: neverAsked },
    log: silent,
    limits: DEFAULT_LIMITS,
    trustedProxies: [],
    corsOrigins: [],
    publicUrl: 'http://127.0.0.1:8080',
    version,
  }
  const app = await buildHttp(deps)
  await app.ready()
  const api = describeApi(app)
  await app.close()
  return api
}
