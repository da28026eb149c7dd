/** Names the deliveries that a vanished worker held: each may arrive twice, and the log must say so before it can. */
import { encodeId } from '../../core/ids.ts'
import type { DeliveryId, LaneId } from '../../core/ids.ts'
import type { Log } from '../../core/ports.ts'
import type { Metrics } from '../metrics.ts'

export function tellDoubts(
  lane: LaneId,
  inDoubt: readonly DeliveryId[],
  { log, metrics }: { readonly log: Log; readonly metrics: Pick<Metrics, 'inDoubt'> },
): void {
  for (const id of inDoubt) {
    const fields = { delivery: encodeId('delivery', id), lane: encodeId('lane', lane) }
    log.warn(fields, 'delivery in doubt: its worker vanished, it may arrive twice')
  }
  metrics.inDoubt.inc(inDoubt.length)
}
