/**
 * A browser as far as the server can tell: it keeps cookies by the rules, says which page asks, and its page reads the
 * CSRF token and sends it along. Requests are injected.
 */
import type { FastifyInstance, InjectOptions, LightMyRequestResponse } from 'fastify'
import { generate } from 'otplib'
import { SYSTEM_ACTOR } from '../../server/core/audit.ts'
import type { TenantId, UserId } from '../../server/core/ids.ts'
import type { PlatformRole } from '../../server/core/permission.ts'
import { SESSION_COOKIE } from '../../server/http/cookies.ts'
import { CSRF_HEADER } from '../../server/http/csrf.ts'
import { ORIGIN } from './support.ts'
import type { World } from './support.ts'

export const GOOD_PASSWORD = 'seven quiet otters row home'

export interface BrowserOptions {
  /** By X-Forwarded-For, so that the world must trust `127.0.0.1` as a proxy. */
  readonly ip?: string
  readonly userAgent?: string
  /** Outside id; goes with each request. */
  readonly tenant?: string
}

export interface Browser {
  /** Name → value. */
  readonly cookies: Map<string, string>
  /** The value of the session cookie. */
  readonly token: string
  get(url: string): Promise<LightMyRequestResponse>
  post(url: string, body?: unknown): Promise<LightMyRequestResponse>
  patch(url: string, body: unknown): Promise<LightMyRequestResponse>
  put(url: string, body: unknown): Promise<LightMyRequestResponse>
  delete(url: string): Promise<LightMyRequestResponse>
  send(method: Method, url: string, body?: unknown): Promise<LightMyRequestResponse>
  signIn(email: string, password?: string): Promise<LightMyRequestResponse>
  /** The same browser, elsewhere: what it has kept goes along. */
  from(ip: string): Browser
  /** Another browser with the cookies of this one: what a thief has. */
  copy(options?: BrowserOptions): Browser
}

type Method = 'GET' | 'POST' | 'PATCH' | 'PUT' | 'DELETE'

export function openBrowser(
  app: FastifyInstance,
  options: BrowserOptions = {},
  cookies = new Map<string, string>(),
): Browser {
  const { ip, userAgent = 'Test Browser', tenant } = options
  /** Of the session that the token belongs to. */
  let csrf: string | undefined

  const ask = async (request: InjectOptions): Promise<LightMyRequestResponse> => {
    const answer = await app.inject({
      ...request,
      headers: {
        host: new URL(ORIGIN).host,
        'user-agent': userAgent,
        ...(ip === undefined ? {} : { 'x-forwarded-for': ip }),
        ...(tenant === undefined ? {} : { 'posthorn-tenant': tenant }),
        ...(cookies.size === 0
          ? {}
          : { cookie: [...cookies].map(([name, value]) => `${name}=${value}`).join('; ') }),
        ...request.headers,
      },
    })
    keep(answer)
    return answer
  }

  function keep(answer: LightMyRequestResponse): void {
    for (const line of [answer.headers['set-cookie'] ?? []].flat()) {
      const [pair = '', ...attributes] = line.split('; ')
      const [name = '', value = ''] = pair.split('=')
      const words = attributes.map((word) => word.toLowerCase())
      // RFC 6265bis §4.1.3.2: a browser takes no `__Host-` cookie without these, nor one with a domain.
      if (!words.includes('secure') || !words.includes('path=/')) throw new Error(line)
      if (words.some((word) => word.startsWith('domain='))) throw new Error(line)
      if (words.includes('max-age=0')) cookies.delete(name)
      else cookies.set(name, value)
      if (name === SESSION_COOKIE) csrf = undefined
    }
  }

  /** As a page does before it changes something. */
  async function csrfHeader(): Promise<Record<string, string>> {
    if (!cookies.has(SESSION_COOKIE)) return {}
    csrf ??= (await ask({ method: 'GET', url: '/v1/session' })).json<{ csrfToken?: string }>()
      .csrfToken
    return csrf === undefined ? {} : { [CSRF_HEADER]: csrf }
  }

  async function send(method: Method, url: string, body?: unknown) {
    if (method === 'GET') return ask({ method, url })
    return ask({
      method,
      url,
      headers: {
        origin: ORIGIN,
        'sec-fetch-site': 'same-origin',
        ...(await csrfHeader()),
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      },
      ...(body === undefined ? {} : { payload: JSON.stringify(body) }),
    })
  }

  return {
    cookies,
    get token() {
      return cookies.get(SESSION_COOKIE) ?? ''
    },
    get: (url) => send('GET', url),
    post: (url, body) => send('POST', url, body),
    patch: (url, body) => send('PATCH', url, body),
    put: (url, body) => send('PUT', url, body),
    delete: (url) => send('DELETE', url),
    send,
    signIn: (email, password = GOOD_PASSWORD) => send('POST', '/v1/session', { email, password }),
    from: (elsewhere) => openBrowser(app, { ...options, ip: elsewhere }, cookies),
    copy: (other = {}) => openBrowser(app, { ...options, ...other }, new Map(cookies)),
  }
}

/** What an app shows for a secret at a time (epoch ms). */
export const totpCode = (secret: string, at: number): Promise<string> =>
  generate({ secret, epoch: Math.floor(at / 1000) })

/** The token behind `#token=` in a link or a mail. */
export const tokenIn = (text: string): string => /#token=([\w-]+)/.exec(text)?.[1] ?? ''

let count = 0

/** Somebody who was added and has chosen a password by the link. */
export async function newcomer(
  world: World,
  wish: {
    readonly email?: string
    readonly role?: string | undefined
    readonly tenant?: TenantId
    readonly platformRole?: PlatformRole
  } = {},
): Promise<{ readonly id: UserId; readonly email: string }> {
  const { email = `newcomer-${++count}@people.example`, role, platformRole } = wish
  const { user, delivery } = await world.control.people.add(SYSTEM_ACTOR, {
    email,
    name: 'New Comer',
    platformRole,
    membership: role === undefined ? undefined : { tenant: wish.tenant ?? world.tenant, role },
  })
  const mailed = async (): Promise<string | undefined> =>
    (await world.mails()).findLast(({ to }) => to === email)?.text
  const link = delivery.by === 'by-hand' ? delivery.url : ((await mailed()) ?? '')
  const body = { token: tokenIn(link), name: 'New Comer', password: GOOD_PASSWORD }
  const answer = await openBrowser(world.app).post('/v1/setup', body)
  if (answer.statusCode !== 200) throw new Error(answer.body)
  return { id: user.id, email }
}

/** Sets an authenticator app up in a session that may; the code of the present moment is used up by it. */
export async function enrolTotp(
  browser: Browser,
  now: () => number,
): Promise<{ readonly secret: string; readonly codes: readonly string[] }> {
  const { secret } = (await browser.post('/v1/account/totp')).json<{ secret: string }>()
  const confirmed = await browser.post('/v1/account/totp/confirm', {
    code: await totpCode(secret, now()),
  })
  if (confirmed.statusCode !== 200) throw new Error(confirmed.body)
  return { secret, codes: confirmed.json<{ codes: string[] }>().codes }
}
