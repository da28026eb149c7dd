/**
 * Writes outcomes, in batches: what ends in one turn of the event loop goes to the writer together. While the disk is
 * full it keeps them and tries again, because an outcome that is forgotten becomes a mail that is sent twice.
 */
import { AppError } from '../../core/errors.ts'
import type { LaneId } from '../../core/ids.ts'
import { encodeId } from '../../core/ids.ts'
import type { Clock, Log } from '../../core/ports.ts'
import type { HotWriter, Settlement } from '../../core/work.ts'

export interface Settler {
  add(settlement: Settlement): void
  /** Hands what waits to the writer now. */
  flush(): void
  /** Resolves when nothing is on its way any more. */
  idle(): Promise<void>
  /** Makes due again what former owners left in doubt; their names must be in the log by now. */
  recover(): Promise<void>
  /** Lets go of the lane, after everything else. */
  release(pace: string): Promise<void>
}

export interface SettlerDeps {
  readonly writer: Pick<HotWriter, 'recover' | 'settle' | 'release'>
  readonly clock: Clock
  readonly log: Log
  readonly lane: LaneId
  readonly token: string
  /** Another worker owns the lane, or outcomes could not be kept. */
  readonly lost: () => void
}

/** Between two tries to write on a full disk. */
export const NO_ROOM_MS = 1_000

export const isStoreFull = (error: unknown): boolean =>
  error instanceof AppError && error.code === 'STORE_FULL'

export function makeSettler(deps: SettlerDeps): Settler {
  const { writer, clock, log, token } = deps
  const lane = encodeId('lane', deps.lane)
  let waiting: Settlement[] = []
  const underWay = new Set<Promise<void>>()

  /** The program ends by closing the writer, which then refuses with another reason. */
  async function untilRoom<T>(write: () => Promise<T>): Promise<T> {
    for (;;) {
      try {
        return await write()
      } catch (error) {
        if (!isStoreFull(error)) throw error
        await clock.sleep(NO_ROOM_MS)
      }
    }
  }

  async function write(settlements: readonly Settlement[]): Promise<void> {
    try {
      const refused = await untilRoom(() => writer.settle(token, settlements))
      if (refused === 0) return
      log.warn({ lane, refused }, 'outcomes refused: the lane has another owner')
    } catch (error) {
      // The leases stand in the database: whoever claims the lane next finds them and reports them in doubt.
      log.error({ err: error, lane, count: settlements.length }, 'outcomes could not be kept')
    }
    deps.lost()
  }

  function flush(): void {
    if (waiting.length === 0) return
    const written = write(waiting).finally(() => underWay.delete(written))
    waiting = []
    underWay.add(written)
  }

  return {
    flush,
    add(settlement) {
      waiting.push(settlement)
      if (waiting.length === 1) setImmediate(flush)
    },
    async idle() {
      flush()
      await Promise.all(underWay)
    },
    recover: () => untilRoom(() => writer.recover(deps.lane, token, clock.now())),
    release: (pace) => untilRoom(() => writer.release(deps.lane, token, pace)),
  }
}
