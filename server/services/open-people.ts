/** Everything about people and tenants, put together once for the server and for the command line. */
import type { Clock, Random } from '../core/ports.ts'
import type { Store } from '../store/open.ts'
import type { Catalog } from './catalog.ts'
import { makeRequireGrant } from './grants.ts'
import { makeInvitations } from './invitations.ts'
import type { Invitations } from './invitations.ts'
import { makeLinks } from './links.ts'
import type { Links } from './links.ts'
import { makeMembers } from './members.ts'
import type { Members } from './members.ts'
import { makePeople } from './people.ts'
import type { People } from './people.ts'
import { makeRoles } from './roles.ts'
import type { Roles } from './roles.ts'
import type { SystemMail } from './system-mail.ts'
import { makeTenants } from './tenants.ts'
import type { Tenants } from './tenants.ts'

export interface PeopleParts {
  readonly tenants: Tenants
  readonly people: People
  readonly invitations: Invitations
  readonly members: Members
  readonly roles: Roles
  /** For what is done by a link: account-links.ts. */
  readonly links: Links
}

export function openPeople(deps: {
  readonly store: Store
  readonly catalog: Catalog
  readonly clock: Clock
  readonly random: Random
  /** Derived for `secret-hash`. */
  readonly hashKey: Buffer
  readonly publicUrl: string
  readonly mail: SystemMail
  /** Of everybody, by configuration. */
  readonly requireSecondFactor: boolean
}): PeopleParts {
  const { store, clock, catalog, mail, requireSecondFactor } = deps
  const links = makeLinks(deps)
  const people = makePeople({ store, clock, links, mail, requireSecondFactor })
  const requireGrant = makeRequireGrant(people)
  return {
    links,
    people,
    tenants: makeTenants({ store, catalog, clock }),
    invitations: makeInvitations({ store, catalog, clock, links, mail, requireGrant }),
    members: makeMembers({ store, clock, requireGrant }),
    roles: makeRoles({ store, clock, requireGrant }),
  }
}
