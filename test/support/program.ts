/** One program of a test's world (app.ts), with short ways to hand mail in and to see what became of it. */
import SMTPConnection from 'nodemailer/lib/smtp-connection'
import { buildApp } from '../../server/app.ts'
import type { App } from '../../server/app.ts'
import type { Config } from '../../server/config/schema.ts'
import type { RawObject } from '../../server/config/validate.ts'
import { SYSTEM_ACTOR } from '../../server/core/audit.ts'
import { decodeId } from '../../server/core/ids.ts'
import type { TenantId } from '../../server/core/ids.ts'
import type { Clock, Dialer, Log } from '../../server/core/ports.ts'
import type {
  DeliveryOut,
  FeedEventOut,
  MessageFactsOut,
} from '../../server/http/schemas/output.ts'
import { realRandom } from '../../server/ports.ts'
import { OPERATOR_GRANT } from '../../server/services/access-terms.ts'
import { makeAccess } from '../../server/services/access.ts'
import type { Access } from '../../server/services/access.ts'
import { makeDomains } from '../../server/services/domains.ts'
import type { Domains } from '../../server/services/domains.ts'
import { makeEgress } from '../../server/services/egress.ts'
import type { Egress } from '../../server/services/egress.ts'
import { prepareInstallation } from '../../server/services/first-start.ts'
import { makeTenants } from '../../server/services/tenants.ts'
import type { Tenants } from '../../server/services/tenants.ts'

/** The domain that is verified for the first tenant. */
export const SENDER = 'sender.test'

export interface Answer<T = Record<string, unknown>> {
  readonly status: number
  readonly headers: Headers
  readonly body: T
}
export interface AcceptedAnswer {
  readonly id: string
  readonly deliveries: readonly {
    readonly id: string
    readonly to: string
    readonly state: string
  }[]
}
export type MessageAnswer = MessageFactsOut & { readonly deliveries: readonly DeliveryOut[] }
export type EventAnswer = FeedEventOut

export interface MailToSend {
  readonly from?: string
  readonly to: readonly string[]
  /** Complete message; a small one is made when left out. */
  readonly raw?: string | Buffer
  readonly user?: string
  readonly password?: string
  /** Undefined: the first listener, with STARTTLS and AUTH. */
  readonly port?: number
  /** False: no AUTH and no TLS. */
  readonly auth?: boolean
  readonly size?: number
}

/** One program in the world. */
export interface Program {
  readonly app: App
  readonly access: Access
  readonly domains: Domains
  readonly egress: Egress
  readonly tenants: Tenants
  readonly tenant: TenantId
  /** API key with all scopes, and an SMTP login, both of the first tenant. */
  readonly key: string
  readonly login: { readonly user: string; readonly password: string }
  /** A REST call with the key; `body` goes as JSON unless it is a Buffer (message/rfc822). */
  call<T = Record<string, unknown>>(
    method: string,
    path: string,
    body?: unknown,
    headers?: Readonly<Record<string, string>>,
  ): Promise<Answer<T>>
  /** POST /v1/messages of a small message with `more` on top; throws unless it is accepted. */
  post(to: string | readonly string[], more?: RawObject): Promise<AcceptedAnswer>
  /** Over SMTP; resolves with the last reply, rejects with the client's error. */
  submit(mail: MailToSend): Promise<string>
  message(id: string): Promise<MessageAnswer>
  events(): Promise<EventAnswer[]>
  /** Waits until all deliveries of the message are in one of `states`. */
  reach(id: string, ...states: readonly string[]): Promise<MessageAnswer>
  close(): Promise<void>
}

let programCount = 0

/** Builds and starts it, and gives it a key and a login. */
export async function startProgram(
  config: Config,
  parts: { clock: Clock; log: Log; dial: Dialer },
): Promise<Program> {
  const { clock } = parts
  const ports = { ...parts, random: realRandom }
  const app = await buildApp(config, ports)
  const { store, catalog, seal } = app
  const hashKey = app.masterKey.derive('secret-hash')
  await prepareInstallation({
    store,
    clock,
    random: realRandom,
    hashKey,
    ehlo: config.hostname,
    ownerEmail: `owner@${config.hostname}`,
  })
  await catalog.refresh()
  await app.start()
  const access = makeAccess({ store, catalog, clock, random: realRandom, hashKey })
  const tenants = makeTenants({ store, catalog, clock })
  const tenant = tenants.resolve(undefined).id
  const name = `test-${++programCount}`
  const grant = OPERATOR_GRANT
  const scopes = ['messages:send', 'messages:read', 'messages:manage']
  const key = await access.keys.create(SYSTEM_ACTOR, tenant, { name, scopes, mode: 'live', grant })
  const credential = await access.credentials.create(SYSTEM_ACTOR, tenant, {
    username: name,
    grant,
  })
  const login = { user: name, password: credential.password }

  const call = async <T>(
    method: string,
    path: string,
    body?: unknown,
    headers: Readonly<Record<string, string>> = {},
  ): Promise<Answer<T>> => {
    const isBytes = Buffer.isBuffer(body)
    const type = isBytes ? 'message/rfc822' : 'application/json'
    const response = await fetch(`${app.addresses().http ?? 'http://closed'}${path}`, {
      method,
      headers: {
        authorization: `Bearer ${key.secret}`,
        ...(body === undefined ? {} : { 'content-type': type }),
        ...headers,
      },
      ...(body === undefined ? {} : { body: isBytes ? body : JSON.stringify(body) }),
    })
    const text = await response.text()
    const isJson = /json/.test(response.headers.get('content-type') ?? '')
    return {
      status: response.status,
      headers: response.headers,
      body: (isJson ? JSON.parse(text) : { text }) as T,
    }
  }

  const message = async (id: string): Promise<MessageAnswer> => {
    const { status, body } = await call<MessageAnswer>('GET', `/v1/messages/${id}?limit=500`)
    if (status !== 200) throw new Error(`GET message: ${status} ${JSON.stringify(body)}`)
    return body
  }

  return {
    app,
    access,
    tenants,
    tenant,
    domains: makeDomains({ store, catalog, clock, seal }),
    egress: makeEgress({ store, catalog, clock, seal }),
    key: key.secret,
    login,
    call,
    message,
    async post(to, more = {}) {
      const { status, body } = await call<AcceptedAnswer>('POST', '/v1/messages', {
        from: `app@${SENDER}`,
        to,
        subject: 'Hello',
        text: 'Hello there.',
        ...more,
      })
      if (status !== 202) throw new Error(`POST: ${status} ${JSON.stringify(body)}`)
      return body
    },
    submit: (mail) => submit(app, login, mail),
    async events() {
      const { body } = await call<{ items: EventAnswer[] }>('GET', '/v1/events?limit=500')
      return body.items
    },
    async reach(id, ...states) {
      const select = store.reader.prepare('select state from deliveries where message_id = ?')
      const rows = (): string[] =>
        (select.all(decodeId('message', id)) as { state: string }[]).map(({ state }) => state)
      await until(
        () => {
          const now = rows()
          return now.length > 0 && now.every((state) => states.includes(state))
        },
        `${id} to be ${states.join(' or ')}`,
        () => rows().join(', '),
      )
      return message(id)
    },
    close: () => app.close(),
  }
}

/** The text of a small message; `headers` are complete lines. */
export const rawMail = (
  headers: readonly string[] = [],
  body = 'Hello there.\r\n',
  from = `app@${SENDER}`,
): string =>
  [`From: ${from}`, 'To: somebody@ok.test', 'Subject: Hello', ...headers, '', body].join('\r\n')

function submit(
  app: App,
  login: Program['login'],
  { from = `app@${SENDER}`, to, raw = rawMail(), auth = true, ...mail }: MailToSend,
): Promise<string> {
  const listener = app.addresses().submission[0]
  const client = new SMTPConnection({
    host: '127.0.0.1',
    port: mail.port ?? listener?.port ?? 0,
    requireTLS: auth,
    ignoreTLS: !auth,
    tls: { rejectUnauthorized: false },
  })
  return new Promise<string>((resolve, reject) => {
    client.once('error', reject)
    const send = (): void =>
      client.send(
        { from, to: [...to], use8BitMime: true, size: mail.size ?? Buffer.byteLength(raw) },
        raw,
        (error, info) => {
          if (error) reject(error)
          else resolve(info.response)
        },
      )
    client.connect(() => {
      if (!auth) {
        send()
        return
      }
      const credentials = { user: mail.user ?? login.user, pass: mail.password ?? login.password }
      client.login({ credentials }, (error) => {
        if (error) reject(error)
        else send()
      })
    })
  }).finally(() => client.close())
}

const PATIENCE_MS = 10_000

/** Looks until `condition` holds; throws after 10 s with what it was (`seen`). */
export async function until(
  condition: () => boolean | Promise<boolean>,
  what: string,
  seen: () => string = () => '',
  patienceMs = PATIENCE_MS,
): Promise<void> {
  const end = Date.now() + patienceMs
  while (!(await condition())) {
    if (Date.now() > end) throw new Error(`waited in vain for ${what}; saw: ${seen()}`)
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
}
