/** Permissions of a tenant's own role as the database keeps them, and what one person may hand to another. */
import { ALL_TENANT_PERMISSIONS } from '../core/permission.ts'
import type { TenantPermission } from '../core/permission.ts'

const known: ReadonlySet<string> = new Set(ALL_TENANT_PERMISSIONS)
export const isTenantPermission = (value: unknown): value is TenantPermission =>
  typeof value === 'string' && known.has(value)

/** A permission that this version does not know gives nothing. */
export function parsePermissions(json: string): TenantPermission[] {
  const value: unknown = JSON.parse(json)
  return Array.isArray(value) ? value.filter(isTenantPermission) : []
}
