/** Who changed what: the tenant's own log, and for platform operators the whole. */
import { Readable } from 'node:stream'
import type { FastifyRequest } from 'fastify'
import { AppError } from '../../core/errors.ts'
import { asId, encodeId } from '../../core/ids.ts'
import type { TenantId } from '../../core/ids.ts'
import type { Audit, AuditRecord as Row } from '../../services/audit.ts'
import { decodeCursor, encodeCursor } from '../../store/read/cursor.ts'
import { actorOf, mayCaller, tenantOf } from '../auth.ts'
import type { HttpApp } from '../http-app.ts'
import { formatInstant } from '../instant.ts'
import { AuditExportQuery, AuditPage, AuditQuery, AuditReport } from '../schemas/audit.ts'
import { DEFAULT_LIMIT } from '../schemas/query.ts'
import { sinceOf } from '../since.ts'

const view = (row: Row) => ({
  id: encodeId('audit', asId('audit', row.id)),
  at: formatInstant(row.at),
  ...(row.tenant === undefined ? {} : { tenant: encodeId('tenant', row.tenant) }),
  actor: {
    kind: row.actor.kind,
    name: row.actor.name,
    means: row.actor.means,
    ...(row.actor.ip === undefined ? {} : { ip: row.actor.ip }),
    ...(row.actor.country === undefined ? {} : { country: row.actor.country }),
    ...(row.actor.requestId === undefined ? {} : { requestId: row.actor.requestId }),
  },
  action: row.action,
  target: row.target,
  ...(row.before === undefined ? {} : { before: row.before }),
  ...(row.after === undefined ? {} : { after: row.after }),
  hash: row.hash,
})

/** The caller's tenant; undefined is every tenant, for those who may see the whole installation. */
function scopeOf(request: FastifyRequest, all: boolean | undefined): TenantId | undefined {
  if (all !== true) return tenantOf(request)
  if (mayCaller(request, 'installation:read')) return undefined
  throw new AppError('PERMISSION_MISSING', {
    public: 'Only a platform operator can see the log of the whole installation.',
  })
}

export function auditRoutes(app: HttpApp, { audit }: { readonly audit: Audit }): void {
  app.get(
    '/v1/audit',
    {
      config: { permission: 'audit:read', refuses: ['CURSOR_INVALID'] },
      schema: {
        operationId: 'listAudit',
        tags: ['Audit'],
        summary: 'List changes',
        description: 'Who changed what, when and from where, newest first.',
        querystring: AuditQuery,
        response: { 200: AuditPage },
      },
    },
    async (request) => {
      const { cursor, limit = DEFAULT_LIMIT, since, all, ...filter } = request.query
      const rows = await audit.list(
        { ...filter, tenant: scopeOf(request, all), since: sinceOf(since) },
        { before: cursor === undefined ? undefined : decodeCursor('audit', cursor), limit },
      )
      const last = rows.length === limit ? rows.at(-1) : undefined
      return {
        items: rows.map(view),
        nextCursor: last === undefined ? null : encodeCursor('audit', last.id),
      }
    },
  )

  app.get(
    '/v1/audit/export',
    {
      config: { permission: 'audit:read', stepUp: true },
      schema: {
        operationId: 'exportAudit',
        tags: ['Audit'],
        summary: 'Export the audit log',
        description: 'Every record as one line of JSON, oldest first.',
        querystring: AuditExportQuery,
        produces: ['application/x-ndjson'],
      },
    },
    (request, reply) => {
      const lines = audit.export(actorOf(request), scopeOf(request, request.query.all))
      return reply
        .header('content-disposition', 'attachment; filename="audit.jsonl"')
        .header('cache-control', 'no-store')
        .type('application/x-ndjson')
        .send(Readable.from(lines))
    },
  )

  app.get(
    '/v1/audit/verify',
    {
      config: { permission: 'installation:read' },
      schema: {
        operationId: 'verifyAudit',
        tags: ['Audit'],
        summary: 'Verify the audit log',
        description:
          'Reads the whole log and tells whether a record was changed, removed or put in since it was written.',
        response: { 200: AuditReport },
      },
    },
    async () => {
      const { records, days, head, faults } = await audit.verify()
      return {
        ok: faults.length === 0,
        records,
        days,
        ...(head === undefined ? {} : { head }),
        faults: [...faults],
      }
    },
  )
}
