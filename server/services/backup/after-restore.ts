/**
 * What a restored installation must be told once, when it is opened for the first time: that it was restored (in its
 * audit log), that nobody is signed in any more, and, when the operator wants to look first, that no mail leaves.
 */
import type { Actor } from '../../core/audit.ts'
import { holdAllMail, endAllSessions } from '../../store/after-restore.ts'
import type { Store } from '../../store/open.ts'

export interface AfterRestore {
  /** Name of the backup, as the operator gave it. */
  readonly backup: string
  /** When it was begun: ISO 8601. */
  readonly createdAt: string
  readonly hold: boolean
}

/** A hold ends by hand. This is only how long it takes at most, should everybody forget it. */
const HOLD_MS = 365 * 86_400_000

/** Resolves with how many lanes and deliveries without a lane are held. */
export async function afterRestore(
  store: Store,
  actor: Actor,
  { backup, createdAt, hold }: AfterRestore,
  now: number,
): Promise<{ readonly lanes: number; readonly unrouted: number }> {
  const because = `restored from a backup of ${createdAt}: look before mail is sent twice`
  const held = hold
    ? await holdAllMail(store, { until: now + HOLD_MS, because })
    : { lanes: 0, unrouted: 0 }
  // A session that was ended after the backup was made is open again in it.
  await endAllSessions(store, now, {
    actor,
    tenant: undefined,
    action: 'backup.restored',
    target: { kind: 'backup', id: backup, name: backup },
    after: { createdAt, held: hold },
  })
  return held
}
