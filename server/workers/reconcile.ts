/** Which wake-ups the database asks for: after a crash, a flush of Redis or a lost job, this is what brings mail back to life. */
import type { Clock } from '../core/ports.ts'
import type { WakeUp } from '../queue/reconcile.ts'
import { laneJobKey } from '../services/lane/run.ts'
import { pendingWork } from '../services/pending.ts'
import type { PendingSource } from '../services/pending.ts'

export async function dueWakeUps(source: PendingSource, clock: Clock): Promise<WakeUp[]> {
  const { lanes, domains } = await pendingWork(source)
  const now = clock.now()
  return [
    ...lanes.map((lane): WakeUp => ({ job: { kind: 'lane', key: laneJobKey(lane) }, at: now })),
    ...domains.map(({ domain, at }): WakeUp => ({
      job: { kind: 'route', key: domain },
      at: Math.max(at, now),
    })),
  ]
}
