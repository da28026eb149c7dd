/** Sender domains of a tenant with their DKIM keys. Verification by DNS comes later; operators may vouch for a domain. */
import { parseDomain } from '../core/address.ts'
import type { Actor, AuditDraft } from '../core/audit.ts'
import { AppError } from '../core/errors.ts'
import { encodeId } from '../core/ids.ts'
import type { DomainId, TenantId } from '../core/ids.ts'
import type { Clock } from '../core/ports.ts'
import { dkimRecord, dkimRecordName, generateDkimKey, parseDkimKey } from '../delivery/dkim-key.ts'
import { deleteDomain, insertDomain, setDomainVerified } from '../store/domains.ts'
import { domainKey } from '../store/catalog.ts'
import type { DkimRecord, DomainRecord } from '../store/catalog.ts'
import type { Store } from '../store/open.ts'
import type { Seal } from './auth/seal.ts'
import type { Catalog } from './catalog.ts'

export interface DomainInfo {
  readonly id: DomainId
  readonly createdAt: number
  readonly name: string
  readonly verified: boolean
  /** What to publish. */
  readonly records: readonly {
    readonly name: string
    readonly type: 'TXT'
    readonly value: string
  }[]
}

export interface Domains {
  /** Makes an RSA-2048 and an Ed25519 key. NAME_TAKEN when the tenant has the domain already. */
  add(actor: Actor, tenant: TenantId, name: string, verified: boolean): Promise<DomainInfo>
  setVerified(actor: Actor, tenant: TenantId, name: string, verified: boolean): Promise<void>
  remove(actor: Actor, tenant: TenantId, name: string): Promise<void>
  list(tenant: TenantId): DomainInfo[]
  /** NOT_FOUND when the tenant has no such domain. */
  get(tenant: TenantId, id: DomainId): DomainInfo
}

export function makeDomains(deps: {
  store: Store
  catalog: Catalog
  clock: Clock
  seal: Seal
}): Domains {
  const { store, catalog, clock } = deps

  async function newKey(
    domain: string,
    selector: string,
    algorithm: 'rsa-sha256' | 'ed25519-sha256',
  ): Promise<DkimRecord> {
    const pem = await generateDkimKey(algorithm)
    const key = parseDkimKey({ domain, selector, pem })
    return {
      selector,
      algorithm: algorithm === 'rsa-sha256' ? 'rsa' : 'ed25519',
      privateKey: deps.seal.seal(pem, 'dkim'),
      publicRecord: dkimRecord(key),
    }
  }

  const infoOf = (domain: DomainRecord): DomainInfo => ({
    id: domain.id,
    name: domain.name,
    verified: domain.verifiedAt !== undefined,
    createdAt: domain.createdAt,
    records: domain.dkim.map((key) => ({
      name: dkimRecordName({ domain: domain.name, selector: key.selector }),
      type: 'TXT',
      value: key.publicRecord,
    })),
  })

  /** Throws NOT_FOUND. */
  function find(tenant: TenantId, name: string): DomainRecord {
    const known = catalog.current.domains.get(domainKey(tenant, name))
    if (known === undefined) throw new AppError('NOT_FOUND')
    return known
  }

  return {
    async add(actor, tenant, text, verified) {
      const parsed = parseDomain(text)
      if (!parsed.ok)
        throw new AppError('ADDRESS_INVALID', {
          public: `This is not a valid domain: ${parsed.reason}.`,
        })
      const name = parsed.domain
      const now = clock.now()
      const month = new Date(now).toISOString().slice(0, 7).replace('-', '')
      const dkim = await Promise.all([
        newKey(name, `ph${month}r`, 'rsa-sha256'),
        newKey(name, `ph${month}e`, 'ed25519-sha256'),
      ])
      const verifiedAt = verified ? now : undefined
      const record = {
        ...change(actor, tenant, 'domain.added', name, undefined),
        after: { verified, selectors: dkim.map(({ selector }) => selector) },
      }
      await insertDomain(store, { tenant, name, verifiedAt, dkim }, { now, record })
      await catalog.refresh()
      return infoOf(find(tenant, name))
    },
    async setVerified(actor, tenant, name, verified) {
      const known = find(tenant, name)
      const at = verified ? clock.now() : undefined
      const action = verified ? 'domain.verified' : 'domain.unverified'
      await setDomainVerified(
        store,
        { tenant, name, at },
        {
          ...change(actor, tenant, action, name, known.id),
          before: { verified: known.verifiedAt !== undefined },
          after: { verified },
        },
      )
      await catalog.refresh()
    },
    async remove(actor, tenant, name) {
      const known = find(tenant, name)
      await deleteDomain(
        store,
        { tenant, name },
        {
          ...change(actor, tenant, 'domain.removed', name, known.id),
          before: { verified: known.verifiedAt !== undefined },
        },
      )
      await catalog.refresh()
    },
    list: (tenant) =>
      [...catalog.current.domains.values()]
        .filter((domain) => domain.tenant === tenant)
        .map(infoOf),
    get(tenant, id) {
      for (const domain of catalog.current.domains.values())
        if (domain.tenant === tenant && domain.id === id) return infoOf(domain)
      throw new AppError('NOT_FOUND')
    },
  }
}

const change = (
  actor: Actor,
  tenant: TenantId,
  action: string,
  name: string,
  id: DomainId | undefined,
): AuditDraft => ({
  actor,
  tenant,
  action,
  target: { kind: 'domain', id: id === undefined ? undefined : encodeId('domain', id), name },
})
