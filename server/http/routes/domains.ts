/** Sender domains of the caller's tenant. */
import { AppError } from '../../core/errors.ts'
import { encodeId } from '../../core/ids.ts'
import type { DomainInfo, Domains } from '../../services/domains.ts'
import { actorOf, mayCaller, tenantOf } from '../auth.ts'
import type { HttpApp } from '../http-app.ts'
import { idOf } from '../ids.ts'
import { formatInstant } from '../instant.ts'
import { Domain, DomainChange, DomainInput, DomainList } from '../schemas/domains.ts'
import { Done } from '../schemas/parts.ts'
import { DomainParams } from '../schemas/query.ts'

const view = (domain: DomainInfo) => ({
  id: encodeId('domain', domain.id),
  name: domain.name,
  verified: domain.verified,
  createdAt: formatInstant(domain.createdAt),
  records: [...domain.records],
})

export function domainRoutes(app: HttpApp, { domains }: { readonly domains: Domains }): void {
  app.get(
    '/v1/domains',
    {
      config: { permission: 'domains:read' },
      schema: {
        operationId: 'listDomains',
        tags: ['Domains'],
        summary: 'List domains',
        description: 'Every domain of the tenant with the records to publish.',
        response: { 200: DomainList },
      },
    },
    async (request) => ({ items: domains.list(tenantOf(request)).map(view) }),
  )

  app.post(
    '/v1/domains',
    {
      config: { permission: 'domains:manage', refuses: ['NAME_TAKEN'] },
      schema: {
        operationId: 'addDomain',
        tags: ['Domains'],
        summary: 'Add a domain',
        description:
          'Makes an RSA and an Ed25519 key for DKIM and answers with the records to publish. Mail from it goes to the sandbox until it is verified.',
        body: DomainInput,
        response: { 201: Domain },
      },
    },
    async (request, reply) => {
      const tenant = tenantOf(request)
      const added = await domains.add(actorOf(request), tenant, request.body.name, false)
      reply.header('location', `/v1/domains/${encodeId('domain', added.id)}`)
      return reply.code(201).send(view(added))
    },
  )

  app.get(
    '/v1/domains/:id',
    {
      config: { permission: 'domains:read' },
      schema: {
        operationId: 'getDomain',
        tags: ['Domains'],
        summary: 'Get a domain',
        description: 'One domain with the records to publish.',
        params: DomainParams,
        response: { 200: Domain },
      },
    },
    async (request) => view(domains.get(tenantOf(request), idOf('domain', request.params.id))),
  )

  app.patch(
    '/v1/domains/:id',
    {
      config: { permission: 'domains:manage' },
      schema: {
        operationId: 'changeDomain',
        tags: ['Domains'],
        summary: 'Change a domain',
        description: 'Vouches for a domain, or takes that back.',
        params: DomainParams,
        body: DomainChange,
        response: { 200: Domain },
      },
    },
    async (request) => {
      const tenant = tenantOf(request)
      const known = domains.get(tenant, idOf('domain', request.params.id))
      const { verified } = request.body
      // Whoever runs the installation answers for what leaves it.
      if (verified === true && !mayCaller(request, 'tenants:manage'))
        throw new AppError('PERMISSION_MISSING', {
          public: 'Only a platform operator can vouch for a domain.',
        })
      if (verified !== undefined)
        await domains.setVerified(actorOf(request), tenant, known.name, verified)
      return view(domains.get(tenant, known.id))
    },
  )

  app.delete(
    '/v1/domains/:id',
    {
      config: { permission: 'domains:manage' },
      schema: {
        operationId: 'removeDomain',
        tags: ['Domains'],
        summary: 'Remove a domain',
        description: 'Its DKIM keys go with it. Mail from it goes to the sandbox afterwards.',
        params: DomainParams,
        response: { 204: Done },
      },
    },
    async (request, reply) => {
      const tenant = tenantOf(request)
      const known = domains.get(tenant, idOf('domain', request.params.id))
      await domains.remove(actorOf(request), tenant, known.name)
      return reply.code(204).send(null)
    },
  )
}
