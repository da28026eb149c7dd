/**
 * What a lane's worker holds: leased deliveries by stream, and inside a stream by site, so that a connection can
 * go on with mail for the hosts it talks to while transactional mail still goes first.
 */
import { STREAM_PRIORITY } from '../../core/work.ts'
import type { LeasedDelivery } from '../../core/work.ts'

export interface Hand {
  readonly size: number
  add(delivery: LeasedDelivery): void
  /** The next to send; of the most urgent stream, preferably for `domain`'s neighbours. */
  take(preferred: ReadonlySet<string> | undefined): LeasedDelivery | undefined
  /** Empties it. */
  takeAll(): LeasedDelivery[]
}

/** How far ahead one looks for a delivery that fits the open connection. */
const LOOK_AHEAD = 64

export function makeHand(): Hand {
  const streams: LeasedDelivery[][] = Object.values(STREAM_PRIORITY).map(() => [])
  /** Position of the first delivery still there; arrays are compacted now and then, not shifted each time. */
  const heads = streams.map(() => 0)
  let size = 0

  function compact(i: number): void {
    if (heads[i]! < 1_024 && heads[i]! < streams[i]!.length) return
    streams[i]!.splice(0, heads[i])
    heads[i] = 0
  }

  function takeFrom(i: number, preferred: ReadonlySet<string> | undefined): LeasedDelivery {
    const stream = streams[i]!
    const head = heads[i]!
    let at = head
    if (preferred !== undefined && !preferred.has(stream[head]!.domain)) {
      const end = Math.min(stream.length, head + LOOK_AHEAD)
      while (at < end && !preferred.has(stream[at]!.domain)) at++
      if (at === end) at = head
    }
    const chosen = stream[at]!
    if (at > head) stream[at] = stream[head]!
    heads[i] = head + 1
    compact(i)
    size--
    return chosen
  }

  return {
    get size() {
      return size
    },
    add(delivery) {
      streams[STREAM_PRIORITY[delivery.stream]]!.push(delivery)
      size++
    },
    take(preferred) {
      for (let i = 0; i < streams.length; i++)
        if (heads[i]! < streams[i]!.length) return takeFrom(i, preferred)
      return undefined
    },
    takeAll() {
      const all = streams.flatMap((stream, i) => stream.slice(heads[i]))
      streams.forEach((stream, i) => {
        stream.length = 0
        heads[i] = 0
      })
      size = 0
      return all
    },
  }
}
