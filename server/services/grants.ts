/** Nobody gives a right that they do not have themselves, nor takes one from somebody who has more. */
import type { Actor } from '../core/audit.ts'
import { AppError } from '../core/errors.ts'
import { asId } from '../core/ids.ts'
import type { TenantId } from '../core/ids.ts'
import type { Permission } from '../core/permission.ts'
import { abilitiesOf } from './auth/ability.ts'
import type { PersonReads } from './person.ts'

/** Throws GRANT_FORBIDDEN unless the actor holds all of these, in the tenant where one is given. */
export type RequireGrant = (
  actor: Actor,
  permissions: readonly Permission[],
  tenant: TenantId | undefined,
) => Promise<void>

export const makeRequireGrant =
  (people: Pick<PersonReads, 'grantsOf'>): RequireGrant =>
  async (actor, permissions, tenant) => {
    switch (actor.kind) {
      // Whoever is at the command line of the machine has the database in their hands.
      case 'operator':
      case 'system':
        return
      // A key that could hand out rights would outlive the person who made it.
      case 'key':
        throw new AppError('GRANT_FORBIDDEN')
      case 'user': {
        if (actor.id === undefined) throw new AppError('GRANT_FORBIDDEN')
        const abilities = abilitiesOf(await people.grantsOf(asId('user', actor.id)))
        const lacking = permissions.filter((permission) => !abilities.can(permission, tenant))
        if (lacking.length > 0)
          throw new AppError('GRANT_FORBIDDEN', {
            public: `You do not have these rights yourself: ${lacking.join(', ')}.`,
          })
      }
    }
  }
