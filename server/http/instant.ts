/** Times at the edge: RFC 3339 in and out, epoch ms inside. */

/** RFC 3339 §5.6 date-time. */
const INSTANT = /^\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:[Zz]|[+-]\d\d:\d\d)$/

/** Epoch ms, or undefined when the text is no instant (31 February included). */
export function parseInstant(text: string): number | undefined {
  if (!INSTANT.test(text)) return undefined
  const at = Date.parse(text.toUpperCase())
  // Date.parse turns 31 February into March.
  const day = new Date(Date.parse(`${text.slice(0, 10)}T00:00:00Z`)).getUTCDate()
  return Number.isNaN(at) || day !== Number(text.slice(8, 10)) ? undefined : at
}

/** `2026-01-01T00:00:00.000Z`. */
export const formatInstant = (at: number): string => new Date(at).toISOString()
