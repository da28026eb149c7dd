/** Sender domains of a tenant with their DKIM keys. Verification by DNS comes later; operators may vouch for a domain. */
import { parseDomain } from '../core/address.ts'
import { AppError } from '../core/errors.ts'
import type { TenantId } from '../core/ids.ts'
import type { Clock } from '../core/ports.ts'
import { dkimRecord, dkimRecordName, generateDkimKey, parseDkimKey } from '../delivery/dkim-key.ts'
import { deleteDomain, insertDomain, setDomainVerified } from '../store/domains.ts'
import type { DkimRecord } from '../store/catalog.ts'
import type { Store } from '../store/open.ts'
import type { Seal } from './auth/seal.ts'
import type { Catalog } from './catalog.ts'

export interface DomainInfo {
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
  add(tenant: TenantId, name: string, verified: boolean): Promise<DomainInfo>
  setVerified(tenant: TenantId, name: string, verified: boolean): Promise<void>
  remove(tenant: TenantId, name: string): Promise<void>
  list(tenant: TenantId): DomainInfo[]
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

  const infoOf = (name: string, verified: boolean, dkim: readonly DkimRecord[]): DomainInfo => ({
    name,
    verified,
    records: dkim.map((key) => ({
      name: dkimRecordName({ domain: name, selector: key.selector }),
      type: 'TXT',
      value: key.publicRecord,
    })),
  })

  return {
    async add(tenant, text, verified) {
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
      await insertDomain(store, { tenant, name, verifiedAt, dkim }, now)
      await catalog.refresh()
      return infoOf(name, verified, dkim)
    },
    async setVerified(tenant, name, verified) {
      await setDomainVerified(store, { tenant, name, at: verified ? clock.now() : undefined })
      await catalog.refresh()
    },
    async remove(tenant, name) {
      await deleteDomain(store, { tenant, name })
      await catalog.refresh()
    },
    list: (tenant) =>
      [...catalog.current.domains.values()]
        .filter((domain) => domain.tenant === tenant)
        .map((domain) => infoOf(domain.name, domain.verifiedAt !== undefined, domain.dkim)),
  }
}
