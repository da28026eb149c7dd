/** Who belongs to the caller's tenant. */
import { encodeId } from '../../core/ids.ts'
import type { MemberInfo, Members } from '../../services/members.ts'
import { actorOf, sessionOf, tenantOf } from '../auth.ts'
import type { HttpApp } from '../http-app.ts'
import { idOf } from '../ids.ts'
import { formatInstant } from '../instant.ts'
import { Done } from '../schemas/parts.ts'
import {
  Member,
  MemberChange,
  MemberList,
  MembershipParams,
  UserParams,
} from '../schemas/people.ts'

const tags = ['Members']

const view = (member: MemberInfo) => ({
  id: encodeId('user', member.user),
  email: member.email,
  name: member.name,
  role: member.role,
  since: formatInstant(member.since),
  setUp: member.hasPassword,
  secondFactor: member.hasSecondFactor,
  deactivated: member.isDeactivated,
})

export function memberRoutes(app: HttpApp, { members }: { readonly members: Members }): void {
  app.get(
    '/v1/members',
    {
      config: { permission: 'members:read' },
      schema: {
        operationId: 'listMembers',
        tags,
        summary: 'List members',
        description: 'Everybody who belongs to the tenant, by address.',
        response: { 200: MemberList },
      },
    },
    async (request) => ({ items: (await members.list(tenantOf(request))).map(view) }),
  )

  app.patch(
    '/v1/members/:id',
    {
      config: {
        permission: 'members:manage',
        personOnly: true,
        stepUp: true,
        refuses: ['GRANT_FORBIDDEN', 'STATE_CONFLICT'],
      },
      schema: {
        operationId: 'changeMember',
        tags,
        summary: 'Change the role of a member',
        description:
          'Their sessions end. Not your own role, not the last owner, and no rights that you lack.',
        params: UserParams,
        body: MemberChange,
        response: { 200: Member },
      },
    },
    async (request) => {
      const user = idOf('user', request.params.id)
      const { role } = request.body
      return view(await members.changeRole(actorOf(request), tenantOf(request), user, role))
    },
  )

  app.delete(
    '/v1/members/:id',
    {
      config: {
        permission: 'members:manage',
        personOnly: true,
        stepUp: true,
        refuses: ['GRANT_FORBIDDEN', 'STATE_CONFLICT'],
      },
      schema: {
        operationId: 'removeMember',
        tags,
        summary: 'Take somebody out of the tenant',
        description: 'Their sessions end. The account stays; the last owner does too.',
        params: UserParams,
        response: { 204: Done },
      },
    },
    async (request, reply) => {
      const user = idOf('user', request.params.id)
      await members.remove(actorOf(request), tenantOf(request), user)
      return reply.code(204).send(null)
    },
  )

  app.delete(
    '/v1/account/memberships/:id',
    {
      config: { account: 'open', stepUp: true, refuses: ['STATE_CONFLICT'] },
      schema: {
        operationId: 'leaveTenant',
        tags: ['Account'],
        summary: 'Leave a tenant',
        description: 'Ends your own membership, and your sessions. The last owner cannot leave.',
        params: MembershipParams,
        response: { 204: Done },
      },
    },
    async (request, reply) => {
      const tenant = idOf('tenant', request.params.id)
      await members.leave(actorOf(request), tenant, sessionOf(request).user)
      return reply.code(204).send(null)
    },
  )
}
