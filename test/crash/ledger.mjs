/** What was handed in and what came of it, as the clients saw it: the promise that everything is measured by. */

export function makeLedger() {
  /** Recipient → the message it belongs to. */
  const offered = new Map()
  const acknowledged = new Map()
  /** Recipients of messages that were refused and not offered again: nobody may get them. */
  const refused = new Set()
  /** Answers other than yes: `452 4.3.1`, `507 STORE_FULL`, `lost` … → how often. */
  const refusals = new Map()
  let lastAt = 0
  return {
    offered,
    /** Recipients that were promised, by 250 or 202 → when, epoch ms. */
    acknowledged,
    refused,
    refusals,
    /** Epoch ms of the last promise. */
    get lastAt() {
      return lastAt
    },
    offer(message) {
      for (const recipient of message.recipients) offered.set(recipient, message)
    },
    acknowledge(message) {
      lastAt = Date.now()
      for (const recipient of message.recipients) acknowledged.set(recipient, lastAt)
    },
    /** `message` when the client gives up on it. */
    refuse(answer, message) {
      for (const recipient of message?.recipients ?? []) refused.add(recipient)
      refusals.set(answer, (refusals.get(answer) ?? 0) + 1)
    },
  }
}
