/** Hourly budgets of SMTP logins: how many messages and recipients one may still hand in. In memory, per process. */
import { AppError } from '../core/errors.ts'
import type { CredentialId } from '../core/ids.ts'
import type { Clock } from '../core/ports.ts'
import type { CredentialLimits, Principal } from './auth/principal.ts'

const HOUR_MS = 3_600_000

interface Spent {
  hour: number
  messages: number
  recipients: number
}

export interface Budget {
  /** Throws RATE_LIMITED (with the time to the next hour) when nothing is left. */
  check(principal: Principal, recipients: number): void
  spend(principal: Principal, recipients: number): void
}

export function makeBudget(defaults: CredentialLimits, clock: Clock): Budget {
  const spent = new Map<CredentialId, Spent>()

  function entry(credential: CredentialId): Spent {
    const hour = Math.floor(clock.now() / HOUR_MS)
    const known = spent.get(credential)
    if (known?.hour === hour) return known
    const fresh = { hour, messages: 0, recipients: 0 }
    spent.set(credential, fresh)
    return fresh
  }
  return {
    check({ credential, limits }, recipients) {
      if (credential === undefined) return
      const messages = limits.messagesPerHour ?? defaults.messagesPerHour ?? Infinity
      const people = limits.recipientsPerHour ?? defaults.recipientsPerHour ?? Infinity
      if (messages === Infinity && people === Infinity) return
      const used = entry(credential)
      if (used.messages < messages && used.recipients + recipients <= people) return
      throw new AppError('RATE_LIMITED', {
        public: 'This login has used up its budget for this hour.',
        retryAfterMs: HOUR_MS - (clock.now() % HOUR_MS),
      })
    },
    spend({ credential }, recipients) {
      if (credential === undefined) return
      const used = entry(credential)
      used.messages++
      used.recipients += recipients
    },
  }
}
