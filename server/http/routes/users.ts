/** The people of the installation, for those who run it. */
import type { ErrorCode } from '../../core/errors.ts'
import { asId, encodeId } from '../../core/ids.ts'
import type { People, UserInfo } from '../../services/people.ts'
import { decodeCursor, encodeCursor } from '../../store/read/cursor.ts'
import { actorOf } from '../auth.ts'
import type { HttpApp } from '../http-app.ts'
import { idOf } from '../ids.ts'
import {
  SignedOut,
  User,
  UserChange,
  UserCreated,
  UserDeactivated,
  UserInput,
  UserPage,
  UserParams,
} from '../schemas/people.ts'
import { DEFAULT_LIMIT, pageQuery } from '../schemas/query.ts'
import { deliveryView, userView } from '../views-people.ts'

const tags = ['Users']
const access = { permission: 'users:manage', personOnly: true, stepUp: true } as const

export function userRoutes(app: HttpApp, { people }: { readonly people: People }): void {
  app.get(
    '/v1/users',
    {
      config: { permission: 'users:read', personOnly: true, refuses: ['CURSOR_INVALID'] },
      schema: {
        operationId: 'listUsers',
        tags,
        summary: 'List people',
        description: 'Everybody who has an account, the oldest first.',
        querystring: pageQuery('users'),
        response: { 200: UserPage },
      },
    },
    async (request) => {
      const { cursor, limit = DEFAULT_LIMIT } = request.query
      const after = cursor === undefined ? undefined : decodeCursor('users', cursor)
      const users = await people.list({ after, limit })
      const last = users.length === limit ? users.at(-1) : undefined
      return {
        items: users.map(userView),
        nextCursor: last === undefined ? null : encodeCursor('users', last.id),
      }
    },
  )

  app.post(
    '/v1/users',
    {
      config: { ...access, refuses: ['ADDRESS_INVALID', 'GRANT_FORBIDDEN', 'NAME_TAKEN'] },
      schema: {
        operationId: 'createUser',
        tags,
        summary: 'Add a person',
        description:
          'Mails a setup link that is good for 7 days, or answers with it when no mail can be sent. Membership of a tenant comes by invitation.',
        body: UserInput,
        response: { 201: UserCreated },
      },
    },
    async (request, reply) => {
      const { user, delivery } = await people.add(actorOf(request), request.body)
      return reply.code(201).send({ user: userView(user), ...deliveryView(delivery) })
    },
  )

  app.get(
    '/v1/users/:id',
    {
      config: { permission: 'users:read', personOnly: true },
      schema: {
        operationId: 'getUser',
        tags,
        summary: 'Get a person',
        description: 'One account.',
        params: UserParams,
        response: { 200: User },
      },
    },
    async (request) => userView(await people.get(idOf('user', request.params.id))),
  )

  app.patch(
    '/v1/users/:id',
    {
      config: { ...access, refuses: ['GRANT_FORBIDDEN', 'STATE_CONFLICT'] },
      schema: {
        operationId: 'changeUser',
        tags,
        summary: 'Change a person',
        description:
          'Name and role over the installation. A change of role ends their sessions. Not your own role, and not that of the last platform admin.',
        params: UserParams,
        body: UserChange,
        response: { 200: User },
      },
    },
    async (request) => {
      const id = idOf('user', request.params.id)
      return userView(await people.change(actorOf(request), id, request.body))
    },
  )

  app.post(
    '/v1/users/:id/deactivate',
    {
      config: { ...access, refuses: ['GRANT_FORBIDDEN', 'STATE_CONFLICT'] },
      schema: {
        operationId: 'deactivateUser',
        tags,
        summary: 'End all access of a person',
        description:
          'Sessions, links and invitations they made end at once. Keys and logins they made belong to their tenants and are named in the answer.',
        params: UserParams,
        response: { 200: UserDeactivated },
      },
    },
    async (request) => {
      const id = idOf('user', request.params.id)
      const { user, stillWorking } = await people.deactivate(actorOf(request), id)
      return {
        user: userView(user),
        stillWorking: stillWorking.map((made) => ({
          kind: made.kind,
          id: encodeId(made.kind, made.id),
          name: made.name,
          tenant: encodeId('tenant', asId('tenant', made.tenant)),
        })),
      }
    },
  )

  /** What is done to somebody and answered with who they are then. */
  const act = (
    word: 'reactivate' | 'release' | 'reset-second-factor',
    spec: { readonly operationId: string; readonly summary: string; readonly description: string },
    refuses: readonly ErrorCode[],
    verb: (request: Parameters<typeof actorOf>[0], id: UserInfo['id']) => Promise<UserInfo>,
  ): void => {
    app.post(
      `/v1/users/:id/${word}`,
      {
        config: { ...access, refuses },
        schema: { ...spec, tags, params: UserParams, response: { 200: User } },
      },
      async (request) => userView(await verb(request, idOf('user', request.params.id))),
    )
  }
  act(
    'reactivate',
    {
      operationId: 'reactivateUser',
      summary: 'Let somebody in again',
      description: 'Memberships and password are as they were.',
    },
    ['GRANT_FORBIDDEN'],
    (request, id) => people.reactivate(actorOf(request), id),
  )
  act(
    'release',
    {
      operationId: 'releaseUser',
      summary: 'Lift the lock of an account',
      description: 'After a sign-in that was too unusual.',
    },
    ['GRANT_FORBIDDEN'],
    (request, id) => people.release(actorOf(request), id),
  )
  act(
    'reset-second-factor',
    {
      operationId: 'resetSecondFactor',
      summary: 'Take away a second factor',
      description:
        'For somebody who lost it: authenticator, recovery codes and passkeys go, sessions end, and a notice is mailed.',
    },
    ['GRANT_FORBIDDEN', 'STATE_CONFLICT'],
    (request, id) => people.resetSecondFactor(actorOf(request), id),
  )

  app.post(
    '/v1/users/:id/sign-out',
    {
      config: { ...access, refuses: ['GRANT_FORBIDDEN'] },
      schema: {
        operationId: 'signOutUser',
        tags,
        summary: 'Sign a person out everywhere',
        description: 'Ends all their sessions.',
        params: UserParams,
        response: { 200: SignedOut },
      },
    },
    async (request) => {
      const id = idOf('user', request.params.id)
      return { sessions: await people.signOut(actorOf(request), id) }
    },
  )
}
