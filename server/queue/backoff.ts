/** How long a job rests after its handler threw. A throw is a bug or our own machine, so the pause is short and bounded. */

const FIRST_MS = 1_000
const LONGEST_MS = 60_000

/** Pause in ms after the `failures`-th throw in a row (from 1): 1 s, 2 s, 4 s … 60 s. */
export const backoffMs = (failures: number): number =>
  Math.min(LONGEST_MS, FIRST_MS * 2 ** (failures - 1))
