/** People and links as the API shows them. */
import { encodeId } from '../core/ids.ts'
import type { LinkDelivery } from '../services/link-delivery.ts'
import type { UserInfo } from '../services/people.ts'
import { formatInstant } from './instant.ts'

export const deliveryView = (delivery: LinkDelivery) => ({
  delivery: delivery.by,
  linkExpiresAt: formatInstant(delivery.expiresAt),
  ...(delivery.by === 'by-hand' ? { link: delivery.url } : {}),
})

export const userView = (user: UserInfo) => ({
  id: encodeId('user', user.id),
  email: user.email,
  name: user.name,
  ...(user.platformRole === undefined ? {} : { platformRole: user.platformRole }),
  createdAt: formatInstant(user.createdAt),
  ...(user.confirmedAt === undefined ? {} : { confirmedAt: formatInstant(user.confirmedAt) }),
  ...(user.deactivatedAt === undefined ? {} : { deactivatedAt: formatInstant(user.deactivatedAt) }),
  ...(user.lockedAt === undefined ? {} : { lockedAt: formatInstant(user.lockedAt) }),
  ...(user.lockedBecause === undefined ? {} : { lockedBecause: user.lockedBecause }),
  setUp: user.hasPassword,
  secondFactor: user.hasSecondFactor,
})
