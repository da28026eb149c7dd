/** What a check found: one line for people, and what to do about it. */

/** `unknown`: could not be looked at, or nobody can tell from here. */
export type FindingState = 'ok' | 'warn' | 'fail' | 'unknown'

export interface Finding {
  readonly topic: string
  readonly state: FindingState
  /** A sentence without the topic. */
  readonly says: string
  /** What to do; set for `warn` and `fail`. */
  readonly fix?: string
}

export const ok = (topic: string, says: string): Finding => ({ topic, state: 'ok', says })

export const warn = (topic: string, says: string, fix: string): Finding => ({
  topic,
  state: 'warn',
  says,
  fix,
})

export const fail = (topic: string, says: string, fix: string): Finding => ({
  topic,
  state: 'fail',
  says,
  fix,
})

export const unknown = (topic: string, says: string): Finding => ({ topic, state: 'unknown', says })
