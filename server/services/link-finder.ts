/** Finds what a link is for. Looking counts as a failed guess until something is found. */
import type { Actor } from '../core/audit.ts'
import { AppError } from '../core/errors.ts'
import type { UserId } from '../core/ids.ts'
import type { Whence } from './auth/caller.ts'
import type { Throttle } from './auth/throttle.ts'
import type { Links } from './links.ts'

/** `look` gets the hash of the token. Throws LINK_INVALID when it finds nothing, RATE_LIMITED after too many guesses. */
export type FindLink = <T>(
  token: string,
  whence: Whence,
  look: (hash: string) => Promise<T | undefined>,
) => Promise<T & { readonly hash: string }>

export const makeLinkFinder =
  (deps: {
    readonly links: Pick<Links, 'hashOf'>
    readonly throttle: Pick<Throttle, 'check' | 'succeed'>
  }): FindLink =>
  async (token, { ip }, look) => {
    const attempt = { step: 'password', account: undefined, ip, device: undefined } as const
    await deps.throttle.check(attempt)
    const hash = deps.links.hashOf(token)
    const found = await look(hash)
    if (found === undefined) throw new AppError('LINK_INVALID')
    await deps.throttle.succeed(attempt)
    return { ...found, hash }
  }

/** Whoever holds the link; `user` undefined while they have no account. */
export const linkActor = (user: UserId | undefined, email: string, whence: Whence): Actor => ({
  kind: 'user',
  id: user,
  name: email,
  means: 'link',
  ip: whence.ip,
  country: undefined,
  requestId: whence.requestId,
})
