/** The account of who is signed in: name, password, devices. */
import { encodeId } from '../../core/ids.ts'
import { parsePlace, placeName } from '../../core/place.ts'
import type { Account } from '../../services/auth/account.ts'
import type { SessionInfo, Sessions } from '../../services/auth/sessions.ts'
import { actorOf, sessionOf } from '../auth.ts'
import type { HttpApp } from '../http-app.ts'
import { idOf } from '../ids.ts'
import { formatInstant } from '../instant.ts'
import { Done } from '../schemas/parts.ts'
import { SessionParams } from '../schemas/query.ts'
import { AccountChange, AccountSessionList, Ended, PasswordChange } from '../schemas/session.ts'

const tags = ['Account']

const view = (session: SessionInfo, current: number) => ({
  id: encodeId('session', session.id),
  current: session.id === current,
  stage: session.stage,
  method: session.method,
  device: session.userAgent,
  ip: session.ip,
  place: placeName(parsePlace(session.place)),
  createdAt: formatInstant(session.createdAt),
  lastUsedAt: formatInstant(session.lastUsedAt),
  expiresAt: formatInstant(session.expiresAt),
})

export function accountRoutes(
  app: HttpApp,
  { account, sessions }: { readonly account: Account; readonly sessions: Sessions },
): void {
  app.patch(
    '/v1/account',
    {
      config: { account: 'open' },
      schema: {
        operationId: 'changeAccount',
        tags,
        summary: 'Change your name',
        description: 'The name that others see.',
        body: AccountChange,
        response: { 204: Done },
      },
    },
    async (request, reply) => {
      await account.rename(actorOf(request), sessionOf(request), request.body.name)
      return reply.code(204).send(null)
    },
  )

  app.post(
    '/v1/account/password',
    {
      config: {
        account: 'open',
        stepUp: true,
        refuses: ['SIGN_IN_FAILED', 'PASSWORD_WEAK'],
      },
      schema: {
        operationId: 'changePassword',
        tags,
        summary: 'Change your password',
        description: 'Every other session ends.',
        body: PasswordChange,
        response: { 204: Done },
      },
    },
    async (request, reply) => {
      const { current, next } = request.body
      await account.changePassword(actorOf(request), sessionOf(request), { current, next })
      return reply.code(204).send(null)
    },
  )

  app.get(
    '/v1/account/sessions',
    {
      config: { account: 'open' },
      schema: {
        operationId: 'listSessions',
        tags,
        summary: 'List your sessions',
        description: 'Every device that is signed in, the last used first.',
        response: { 200: AccountSessionList },
      },
    },
    async (request) => {
      const { user, id } = sessionOf(request)
      return { items: (await sessions.list(user)).map((session) => view(session, id)) }
    },
  )

  app.delete(
    '/v1/account/sessions/:id',
    {
      config: { account: 'open' },
      schema: {
        operationId: 'endSession',
        tags,
        summary: 'End a session',
        description: 'That device has to sign in again.',
        params: SessionParams,
        response: { 204: Done },
      },
    },
    async (request, reply) => {
      const { user, email } = sessionOf(request)
      const id = idOf('session', request.params.id)
      await sessions.end(actorOf(request), { id: user, email }, id)
      return reply.code(204).send(null)
    },
  )

  app.delete(
    '/v1/account/sessions',
    {
      config: { account: 'open' },
      schema: {
        operationId: 'endOtherSessions',
        tags,
        summary: 'End all other sessions',
        description: 'Every device but this one has to sign in again.',
        response: { 200: Ended },
      },
    },
    async (request) => {
      const { user, email, id } = sessionOf(request)
      return { ended: await sessions.endOthers(actorOf(request), { id: user, email }, id) }
    },
  )
}
