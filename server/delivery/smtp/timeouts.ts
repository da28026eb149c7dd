/** How long each stage may take, ms. RFC 5321 §4.5.3.2 where it speaks; shorter before a mail is at stake. */

export interface Timeouts {
  readonly connectMs: number
  readonly bannerMs: number
  /** Also for STARTTLS with its handshake, and for each step of AUTH. */
  readonly ehloMs: number
  readonly mailMs: number
  readonly rcptMs: number
  readonly dataMs: number
  /** After the final dot: giving up here risks a duplicate. */
  readonly bodyMs: number
}

/** 30 s, 1 min, 1 min, 5 min, 5 min, 2 min, 10 min. */
export const DEFAULT_TIMEOUTS: Timeouts = {
  connectMs: 30_000,
  bannerMs: 60_000,
  ehloMs: 60_000,
  mailMs: 300_000,
  rcptMs: 300_000,
  dataMs: 120_000,
  bodyMs: 600_000,
}
