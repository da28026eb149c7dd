/** People with sessions, for tests of what they may do. Requests carry the cookie, the origin and the CSRF token. */
import type { FastifyInstance, InjectOptions, LightMyRequestResponse } from 'fastify'
import type { Control } from '../../server/compose-control.ts'
import { SYSTEM_ACTOR } from '../../server/core/audit.ts'
import { encodeId } from '../../server/core/ids.ts'
import type { SessionId, TenantId, UserId } from '../../server/core/ids.ts'
import type { PlatformRole } from '../../server/core/permission.ts'
import { CSRF_HEADER } from '../../server/http/csrf.ts'
import { SESSION_COOKIE } from '../../server/http/cookies.ts'
import type { SessionStage } from '../../server/services/auth/caller.ts'
import type { Store } from '../../server/store/open.ts'
import { changeSession } from '../../server/store/sessions.ts'
import { ORIGIN } from './support.ts'

export interface Person {
  readonly id: UserId
  readonly email: string
  readonly session: SessionId
  readonly token: string
  /** Of a request that the person's own page would make. */
  readonly headers: Readonly<Record<string, string>>
  call(request: InjectOptions): Promise<LightMyRequestResponse>
  /** The last proof of who it is was long ago. */
  growStale(): Promise<void>
}

export interface PersonWish {
  readonly email?: string
  /** In the world's tenant, unless another is named; undefined: no member of any. */
  readonly role?: string | undefined
  readonly tenant?: TenantId
  readonly platformRole?: PlatformRole | undefined
  readonly stage?: SessionStage
}

export type PeopleOf = (wish: PersonWish) => Promise<Person>

let count = 0

export function makePeopleOf(world: {
  readonly app: FastifyInstance
  readonly control: Control
  readonly store: Store
  readonly tenant: TenantId
}): PeopleOf {
  const { app, control, store } = world
  return async ({ email = `person-${++count}@people.example`, role, platformRole, ...wish }) => {
    const tenant = wish.tenant ?? world.tenant
    const { user } = await control.people.add(SYSTEM_ACTOR, {
      email,
      name: 'A Person',
      platformRole,
      membership: role === undefined ? undefined : { tenant, role },
    })
    const { id } = user
    const { id: session, token } = await control.sessions.open({
      user: id,
      email,
      stage: wish.stage ?? 'open',
      method: 'password',
      whence: { ip: '127.0.0.1', userAgent: 'lightMyRequest', requestId: undefined },
    })
    const headers = {
      cookie: `${SESSION_COOKIE}=${token}`,
      origin: ORIGIN,
      host: new URL(ORIGIN).host,
      [CSRF_HEADER]: control.sessions.csrfToken(session),
      'posthorn-tenant': encodeId('tenant', tenant),
    }
    return {
      id,
      email,
      session,
      token,
      headers,
      call: (request) => app.inject({ ...request, headers: { ...headers, ...request.headers } }),
      async growStale() {
        await store.writer.write([changeSession(store, session, { confirmedAt: 0 })], {
          unaudited: 'test',
        })
      },
    }
  }
}
