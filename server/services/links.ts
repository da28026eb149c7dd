/**
 * One-time links: 256 random bits, of which the database keeps a keyed hash. The token stands in the fragment of the
 * address, which browsers keep to themselves: it is in no access log, no Referer, no proxy.
 */
import { AppError } from '../core/errors.ts'
import type { UserId } from '../core/ids.ts'
import type { Clock, Random } from '../core/ports.ts'
import type { Store } from '../store/open.ts'
import { endTokens, insertToken } from '../store/user-tokens.ts'
import type { TokenPurpose } from '../store/user-tokens.ts'
import type { Change } from '../store/writer.ts'
import { hashToken, isToken, newToken } from './auth/token.ts'

export type LinkPurpose = TokenPurpose | 'invitation'

const HOUR_MS = 3_600_000
const DAY_MS = 24 * HOUR_MS
/** How long a link is good for. */
export const LINK_VALID_MS: Readonly<Record<LinkPurpose, number>> = {
  setup: 7 * DAY_MS,
  reset: HOUR_MS,
  'email-change': DAY_MS,
  release: DAY_MS,
  invitation: 7 * DAY_MS,
}

/** The setup link of an installation that an older version prepared. */
const FORMER_TOKEN = /^[a-z2-9]{32}$/

export interface Link {
  /** For the person only: neither logged nor kept. */
  readonly url: string
  readonly hash: string
  readonly expiresAt: number
}

export interface Links {
  /** The caller keeps the hash. */
  make(purpose: LinkPurpose): Link
  /** With what to write: former links of the same purpose end. `email` is the new address of an email-change. */
  forUser(
    purpose: TokenPurpose,
    user: UserId,
    email?: string,
  ): { readonly link: Link; readonly changes: readonly Change[] }
  /** For somebody who is made in the same write. */
  forNewUser(
    purpose: TokenPurpose,
    email: string,
  ): { readonly link: Link; readonly changes: readonly Change[] }
  /** Throws LINK_INVALID for what cannot be a token. */
  hashOf(token: string): string
}

export interface LinksDeps {
  readonly store: Pick<Store, 'build'>
  readonly clock: Clock
  readonly random: Random
  /** Of secrets that are only compared, 32 bytes. */
  readonly hashKey: Buffer
  /** How people reach this installation, without a trailing slash. */
  readonly publicUrl: string
}

export const linkUrl = (publicUrl: string, token: string): string =>
  `${publicUrl}/link#token=${token}`

export function makeLinks({ store, clock, random, hashKey, publicUrl }: LinksDeps): Links {
  function make(purpose: LinkPurpose): Link {
    const token = newToken(random)
    return {
      url: linkUrl(publicUrl, token),
      hash: hashToken(token, hashKey),
      expiresAt: clock.now() + LINK_VALID_MS[purpose],
    }
  }
  return {
    make,
    forUser(purpose, user, email) {
      const link = make(purpose)
      const { hash, expiresAt } = link
      const now = clock.now()
      return {
        link,
        changes: [
          endTokens(store, { user, purpose }, now),
          insertToken(store, { user, purpose, hash, email, expiresAt }, now),
        ],
      }
    },
    forNewUser(purpose, email) {
      const link = make(purpose)
      const { hash, expiresAt } = link
      const token = { user: { email }, purpose, hash, expiresAt }
      return { link, changes: [insertToken(store, token, clock.now())] }
    },
    hashOf(token) {
      if (!isToken(token) && !FORMER_TOKEN.test(token)) throw new AppError('LINK_INVALID')
      return hashToken(token, hashKey)
    },
  }
}
