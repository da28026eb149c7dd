/** Whether a sender domain may send for real: verified for the tenant, itself or a domain above it. Else: sandbox. */
import type { TenantId } from '../core/ids.ts'
import { domainKey } from '../store/catalog.ts'
import type { CatalogSnapshot, DomainRecord } from '../store/catalog.ts'

/** The tenant's verified domain that covers `domain`; the closest wins. */
export function verifiedDomain(
  snapshot: CatalogSnapshot,
  tenant: TenantId,
  domain: string,
): DomainRecord | undefined {
  let name = domain
  while (name.includes('.')) {
    const record = snapshot.domains.get(domainKey(tenant, name))
    if (record?.verifiedAt !== undefined) return record
    name = name.slice(name.indexOf('.') + 1)
  }
  return undefined
}
