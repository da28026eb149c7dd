/** Roles of the caller's tenant. */
import { encodeId } from '../../core/ids.ts'
import type { RoleInfo, Roles } from '../../services/roles.ts'
import { actorOf, tenantOf } from '../auth.ts'
import type { HttpApp } from '../http-app.ts'
import { idOf } from '../ids.ts'
import { Done } from '../schemas/parts.ts'
import { Role, RoleChange, RoleInput, RoleList, RoleParams } from '../schemas/roles.ts'

const tags = ['Roles']

const view = ({ id, description, permissions, ...role }: RoleInfo) => ({
  ...(id === undefined ? {} : { id: encodeId('role', id) }),
  ...role,
  ...(description === undefined ? {} : { description }),
  kind: id === undefined ? ('built-in' as const) : ('own' as const),
  permissions: [...permissions],
})

export function roleRoutes(app: HttpApp, { roles }: { readonly roles: Roles }): void {
  app.get(
    '/v1/roles',
    {
      config: { permission: 'members:read' },
      schema: {
        operationId: 'listRoles',
        tags,
        summary: 'List roles',
        description: 'The built-in roles, then those of the tenant, with what each lets people do.',
        response: { 200: RoleList },
      },
    },
    async (request) => ({ items: (await roles.list(tenantOf(request))).map(view) }),
  )

  app.post(
    '/v1/roles',
    {
      config: {
        permission: 'roles:manage',
        personOnly: true,
        stepUp: true,
        refuses: ['GRANT_FORBIDDEN', 'NAME_TAKEN'],
      },
      schema: {
        operationId: 'createRole',
        tags,
        summary: 'Make a role',
        description: 'With rights that you have yourself.',
        body: RoleInput,
        response: { 201: Role },
      },
    },
    async (request, reply) => {
      const { secondFactor = false, ...role } = request.body
      const made = await roles.add(actorOf(request), tenantOf(request), { ...role, secondFactor })
      return reply.code(201).send(view(made))
    },
  )

  app.patch(
    '/v1/roles/:id',
    {
      config: {
        permission: 'roles:manage',
        personOnly: true,
        stepUp: true,
        refuses: ['GRANT_FORBIDDEN', 'STATE_CONFLICT'],
      },
      schema: {
        operationId: 'changeRole',
        tags,
        summary: 'Change a role',
        description:
          'Whoever has it signs in anew when its rights change. You need every right that it had and has.',
        params: RoleParams,
        body: RoleChange,
        response: { 200: Role },
      },
    },
    async (request) => {
      const id = idOf('role', request.params.id)
      return view(await roles.change(actorOf(request), tenantOf(request), id, request.body))
    },
  )

  app.delete(
    '/v1/roles/:id',
    {
      config: {
        permission: 'roles:manage',
        personOnly: true,
        stepUp: true,
        refuses: ['GRANT_FORBIDDEN', 'STATE_CONFLICT'],
      },
      schema: {
        operationId: 'removeRole',
        tags,
        summary: 'Remove a role',
        description: 'One that nobody has and nobody is invited to.',
        params: RoleParams,
        response: { 204: Done },
      },
    },
    async (request, reply) => {
      const id = idOf('role', request.params.id)
      await roles.remove(actorOf(request), tenantOf(request), id)
      return reply.code(204).send(null)
    },
  )
}
