/** Invitations into the caller's tenant, and accepting one. */
import type { FastifyRequest } from 'fastify'
import { AppError } from '../../core/errors.ts'
import { encodeId } from '../../core/ids.ts'
import type { AccountLinks } from '../../services/account-links.ts'
import type { Sessions } from '../../services/auth/sessions.ts'
import type { InvitationInfo, Invitations, Sent } from '../../services/invitations.ts'
import { rulesOverPeople } from '../../services/role-permissions.ts'
import type { NamedRole } from '../../services/role-permissions.ts'
import { actorOf, sessionOf, tenantOf, whenceOf } from '../auth.ts'
import type { HttpApp } from '../http-app.ts'
import { idOf } from '../ids.ts'
import { formatInstant } from '../instant.ts'
import { deliveryView } from '../views-people.ts'
import { Done } from '../schemas/parts.ts'
import {
  InvitationAccept,
  InvitationInput,
  InvitationList,
  InvitationParams,
  InvitationSent,
  Joined,
  LinkToken,
} from '../schemas/people.ts'

const tags = ['Members']

const view = ({ id, createdAt, expiresAt, mailedAt, ...invitation }: InvitationInfo) => ({
  id: encodeId('invitation', id),
  ...invitation,
  createdAt: formatInstant(createdAt),
  expiresAt: formatInstant(expiresAt),
  ...(mailedAt === undefined ? {} : { mailedAt: formatInstant(mailedAt) }),
})
const sentView = ({ invitation, delivery }: Sent) => ({
  invitation: view(invitation),
  ...deliveryView(delivery),
})

export function invitationRoutes(
  app: HttpApp,
  deps: {
    readonly invitations: Invitations
    readonly links: AccountLinks
    readonly sessions: Pick<Sessions, 'isConfirmed'>
  },
): void {
  const { invitations, links, sessions } = deps

  /** Whoever can let others in is let in only by somebody who has just proved who they are. */
  function confirmFor(request: FastifyRequest, role: NamedRole): void {
    if (rulesOverPeople(role.permissions) && !sessions.isConfirmed(sessionOf(request)))
      throw new AppError('STEP_UP_REQUIRED')
  }

  app.get(
    '/v1/invitations',
    {
      config: { permission: 'members:read' },
      schema: {
        operationId: 'listInvitations',
        tags,
        summary: 'List invitations',
        description: 'Those that can still be accepted, newest first.',
        response: { 200: InvitationList },
      },
    },
    async (request) => ({ items: (await invitations.list(tenantOf(request))).map(view) }),
  )

  app.post(
    '/v1/invitations',
    {
      config: {
        permission: 'members:manage',
        personOnly: true,
        refuses: ['ADDRESS_INVALID', 'GRANT_FORBIDDEN', 'STEP_UP_REQUIRED', 'STATE_CONFLICT'],
      },
      schema: {
        operationId: 'createInvitation',
        tags,
        summary: 'Invite somebody',
        description:
          'Mails a link that is good for 7 days, or answers with it when no mail can be sent. A former invitation to the address ends. You cannot give a role with rights that you lack; a role that rules over members or roles needs a fresh confirmation of who you are.',
        body: InvitationInput,
        response: { 201: InvitationSent },
      },
    },
    async (request, reply) => {
      const tenant = tenantOf(request)
      confirmFor(request, await invitations.roleOf(tenant, request.body.role))
      const sent = await invitations.create(actorOf(request), tenant, request.body)
      return reply.code(201).send(sentView(sent))
    },
  )

  app.post(
    '/v1/invitations/:id/resend',
    {
      config: {
        permission: 'members:manage',
        personOnly: true,
        refuses: ['GRANT_FORBIDDEN', 'STEP_UP_REQUIRED'],
      },
      schema: {
        operationId: 'resendInvitation',
        tags,
        summary: 'Send an invitation again',
        description: 'With a new link; the former one ends.',
        params: InvitationParams,
        response: { 200: InvitationSent },
      },
    },
    async (request) => {
      const tenant = tenantOf(request)
      const id = idOf('invitation', request.params.id)
      confirmFor(request, await invitations.roleOfInvitation(tenant, id))
      return sentView(await invitations.resend(actorOf(request), tenant, id))
    },
  )

  app.delete(
    '/v1/invitations/:id',
    {
      config: { permission: 'members:manage', personOnly: true },
      schema: {
        operationId: 'revokeInvitation',
        tags,
        summary: 'Take an invitation back',
        description: 'Its link ends at once.',
        params: InvitationParams,
        response: { 204: Done },
      },
    },
    async (request, reply) => {
      const id = idOf('invitation', request.params.id)
      await invitations.revoke(actorOf(request), tenantOf(request), id)
      return reply.code(204).send(null)
    },
  )

  app.post(
    '/v1/invitations/accept',
    {
      config: {
        public: true,
        refuses: ['LINK_INVALID', 'PASSWORD_WEAK', 'SESSION_REQUIRED', 'NAME_TAKEN'],
      },
      schema: {
        operationId: 'acceptInvitation',
        tags,
        summary: 'Accept an invitation with a new account',
        description:
          'Makes the account with name and password. Whoever has one already signs in and accepts with it: `SESSION_REQUIRED`.',
        body: InvitationAccept,
        response: { 200: Joined },
      },
    },
    async (request) => {
      const { email, tenant } = await links.acceptNew(request.body, whenceOf(request))
      return { email, tenant: encodeId('tenant', tenant) }
    },
  )

  app.post(
    '/v1/account/invitations/accept',
    {
      config: { account: 'open', refuses: ['LINK_INVALID', 'STATE_CONFLICT'] },
      schema: {
        operationId: 'acceptInvitationSignedIn',
        tags: ['Account'],
        summary: 'Accept an invitation',
        description: 'With the account that is signed in; the invitation must be for its address.',
        body: LinkToken,
        response: { 200: Joined },
      },
    },
    async (request) => {
      const { user, email } = sessionOf(request)
      const joined = await links.acceptAs(
        actorOf(request),
        { id: user, email },
        request.body.token,
        whenceOf(request),
      )
      return { email: joined.email, tenant: encodeId('tenant', joined.tenant) }
    },
  )
}
