/** One try to log in over SMTP: the check, the count of the login's sessions, and what a wrong one costs. */
import type { SMTPServerAuthentication } from 'smtp-server'
import { AppError } from '../core/errors.ts'
import type { ErrorCode } from '../core/errors.ts'
import type { Principal } from '../services/auth/principal.ts'
import { reply, replyFor } from './replies.ts'
import type { Reply } from './replies.ts'
import type { SessionContext } from './session-context.ts'

export type LoginResult =
  | { readonly kind: 'ok'; readonly principal: Principal; readonly isCounted: boolean }
  /** The answer waits for `delayMs`. */
  | { readonly kind: 'wrong'; readonly answer: Reply; readonly delayMs: number }
  /** Nothing is said about the password. `too-many`: the session ends. */
  | { readonly kind: 'unavailable' | 'too-many'; readonly answer: Reply }

/** RFC 4954 §6: temporary authentication failure. */
const UNAVAILABLE = reply(454, '4.7.0', 'The login cannot be checked now; please try again later.')

/** What a client may not tell from a wrong password: that the password is right must stay a secret. */
const AS_WRONG: ReadonlySet<ErrorCode> = new Set(['AUTH_EXPIRED', 'NETWORK_FORBIDDEN'])

/** `isCounted`: give the place back with `connections.releaseLogin` when the session ends. Never throws. */
export function tryLogin(
  { auth, throttle, counters, credentialLimits, connections, log }: SessionContext,
  address: string,
  { username = '', password, authzid, authcid }: SMTPServerAuthentication,
): LoginResult {
  let principal: Principal
  try {
    // RFC 4616 §2: to act for somebody else is not offered.
    if (authzid && authcid && authzid !== authcid) throw new AppError('AUTH_FAILED')
    principal = auth.login(username, password ?? '', address)
  } catch (error) {
    const reason = error instanceof AppError ? error.code : undefined
    const isHidden = reason !== undefined && AS_WRONG.has(reason)
    const answer = replyFor(isHidden ? new AppError('AUTH_FAILED') : error)
    if (answer.code !== 535) {
      log.error({ evt: 'smtp-bug', err: error }, 'a login could not be checked')
      return { kind: 'unavailable', answer: UNAVAILABLE }
    }
    counters.authFailures++
    log.info({ evt: 'auth-failed', ip: address, reason }, 'a login was refused')
    return { kind: 'wrong', answer, delayMs: throttle.fail(address) }
  }
  throttle.succeed(address)
  const { credential, limits } = principal
  const most = limits.connections ?? credentialLimits.connections
  if (credential === undefined || most === undefined)
    return { kind: 'ok', principal, isCounted: false }
  if (connections.admitLogin(credential, most)) return { kind: 'ok', principal, isCounted: true }
  counters.connectionsRefused++
  log.info({ evt: 'login-limit', credential }, 'a login has too many connections')
  return { kind: 'too-many', answer: replyFor(new AppError('CONNECTIONS_LIMITED')) }
}
