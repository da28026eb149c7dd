/** `--tenant NAME`, the same on every command that works for one tenant. */
import type { TenantRecord } from '../store/catalog.ts'
import type { Input, OptionSpec } from './command.ts'
import type { CliServices } from './services.ts'

export const TENANT: OptionSpec = {
  summary: 'Name of the tenant; without it the first one',
  value: 'NAME',
}

export const TENANT_FILTER: OptionSpec = {
  summary: 'Only of this tenant; without it of all',
  value: 'NAME',
}

/** The tenant that was named, or the first. Throws NOT_FOUND. */
export const tenantOf = (input: Input, { tenants }: CliServices): TenantRecord =>
  tenants.resolve(input.text('tenant'))

/** The tenant that was named, or all. Throws NOT_FOUND. */
export const tenantsOf = (input: Input, { tenants }: CliServices): readonly TenantRecord[] =>
  input.text('tenant') === undefined ? tenants.list() : [tenants.resolve(input.text('tenant'))]
