/** The `lane` job: one run of one lane, and the short way to a lane that this process owns already. */
import { decodeId } from '../core/ids.ts'
import type { LaneId } from '../core/ids.ts'
import type { Clock } from '../core/ports.ts'
import type { JobHandler, Jobs } from '../queue/jobs.ts'
import { laneJobKey, runLane } from '../services/lane/run.ts'
import type { LaneDeps, LaneRun } from '../services/lane/run.ts'
import type { Routing } from '../services/routing.ts'

export interface LaneWorker {
  readonly handle: JobHandler
  /** Something of the lane is due. Thousands of times a second: a lane at work here is told without the engine. */
  wake(lane: LaneId): void
  readonly atWork: number
}

export function makeLaneWorker(deps: {
  jobs: Jobs
  routing: Pick<Routing, 'lane'>
  clock: Clock
  lane: LaneDeps
}): LaneWorker {
  const running = new Map<LaneId, LaneRun>()
  return {
    get atWork() {
      return running.size
    },
    wake(lane) {
      const run = running.get(lane)
      if (run !== undefined) run.poke()
      else deps.jobs.wake({ kind: 'lane', key: laneJobKey(lane) }, deps.clock.now())
    },
    async handle(job, context) {
      const id = decodeId('lane', job.key)
      const lane = id === undefined ? undefined : await deps.routing.lane(id)
      if (lane === undefined) return undefined
      const run = runLane(lane, context, deps.lane)
      running.set(lane.id, run)
      let next: number | undefined
      try {
        next = await run.finished
      } finally {
        running.delete(lane.id)
      }
      return run.isPoked ? deps.clock.now() : next
    },
  }
}
