/** Tenants: all of them for platform operators, and the caller's own. */
import { encodeId } from '../../core/ids.ts'
import type { SecurityNotices } from '../../services/security-notices.ts'
import type { TenantInfo, Tenants } from '../../services/tenants.ts'
import { actorOf, tenantOf } from '../auth.ts'
import type { HttpApp } from '../http-app.ts'
import { idOf } from '../ids.ts'
import { formatInstant } from '../instant.ts'
import {
  OwnTenantChange,
  Tenant,
  TenantChange,
  TenantInput,
  TenantList,
  TenantParams,
  WebhookSecret,
} from '../schemas/tenants.ts'

const tags = ['Tenants']

const view = ({ id, name, createdAt, disabledAt, members, settings }: TenantInfo) => ({
  id: encodeId('tenant', id),
  name,
  createdAt: formatInstant(createdAt),
  ...(disabledAt === undefined ? {} : { disabledAt: formatInstant(disabledAt) }),
  members,
  settings: {
    requireSecondFactor: settings.requireSecondFactor,
    secondFactorRoles: [...settings.secondFactorRoles],
    ...(settings.securityWebhook === undefined
      ? {}
      : { securityWebhook: settings.securityWebhook }),
  },
})

export function tenantRoutes(
  app: HttpApp,
  {
    tenants,
    notices,
  }: { readonly tenants: Tenants; readonly notices: Pick<SecurityNotices, 'secret'> },
): void {
  app.get(
    '/v1/tenants',
    {
      config: { permission: 'tenants:read' },
      schema: {
        operationId: 'listTenants',
        tags,
        summary: 'List tenants',
        description: 'Every customer of the installation, the oldest first.',
        response: { 200: TenantList },
      },
    },
    async () => ({ items: (await tenants.all()).map(view) }),
  )

  app.post(
    '/v1/tenants',
    {
      config: { permission: 'tenants:manage', refuses: ['NAME_TAKEN'] },
      schema: {
        operationId: 'createTenant',
        tags,
        summary: 'Add a tenant',
        description: 'It begins empty: invite an owner into it.',
        body: TenantInput,
        response: { 201: Tenant },
      },
    },
    async (request, reply) => {
      const id = await tenants.add(actorOf(request), request.body.name)
      return reply.code(201).send(view(await tenants.get(id)))
    },
  )

  app.get(
    '/v1/tenants/:id',
    {
      config: { permission: 'tenants:read' },
      schema: {
        operationId: 'getTenant',
        tags,
        summary: 'Get a tenant',
        description: 'One customer of the installation.',
        params: TenantParams,
        response: { 200: Tenant },
      },
    },
    async (request) => view(await tenants.get(idOf('tenant', request.params.id))),
  )

  app.patch(
    '/v1/tenants/:id',
    {
      config: {
        permission: 'tenants:manage',
        stepUp: true,
        refuses: ['NAME_TAKEN', 'STATE_CONFLICT'],
      },
      schema: {
        operationId: 'changeTenant',
        tags,
        summary: 'Change a tenant',
        description:
          'Disabling ends all access at once: keys and logins are refused, members lose the tenant. Nothing is deleted.',
        params: TenantParams,
        body: TenantChange,
        response: { 200: Tenant },
      },
    },
    async (request) => {
      const id = idOf('tenant', request.params.id)
      return view(await tenants.change(actorOf(request), id, request.body))
    },
  )

  app.get(
    '/v1/tenant',
    {
      config: { permission: 'members:read' },
      schema: {
        operationId: 'getOwnTenant',
        tags,
        summary: 'Get your tenant',
        description: 'The tenant of the request.',
        response: { 200: Tenant },
      },
    },
    async (request) => view(await tenants.get(tenantOf(request))),
  )

  app.get(
    '/v1/tenant/webhook-secret',
    {
      config: { permission: 'tenant:manage', personOnly: true, stepUp: true },
      schema: {
        operationId: 'getWebhookSecret',
        tags,
        summary: 'Get the secret of the security webhook',
        description: 'For checking that a posted security event is from here.',
        response: { 200: WebhookSecret },
      },
    },
    async (request) => ({ secret: await notices.secret(actorOf(request), tenantOf(request)) }),
  )

  app.patch(
    '/v1/tenant',
    {
      config: {
        permission: 'tenant:manage',
        personOnly: true,
        stepUp: true,
        refuses: ['STATE_CONFLICT'],
      },
      schema: {
        operationId: 'changeOwnTenant',
        tags,
        summary: 'Change the settings of your tenant',
        description:
          'Whoever must have a second factor from now on and lacks one can only set one up, you too.',
        body: OwnTenantChange,
        response: { 200: Tenant },
      },
    },
    async (request) =>
      view(await tenants.change(actorOf(request), tenantOf(request), request.body)),
  )
}
