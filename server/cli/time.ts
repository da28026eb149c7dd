/** Times, sizes and rates as commands print them. The same everywhere: UTC, and how far away it is. */
import type { Limits } from '../core/provider.ts'

const UNITS = [
  ['d', 86_400_000],
  ['h', 3_600_000],
  ['m', 60_000],
  ['s', 1_000],
] as const

/** The two largest units of a time: `2 d 4 h`, `35 s`; below a second `now`. */
export function span(ms: number): string {
  const first = UNITS.findIndex(([, unit]) => ms >= unit)
  if (first < 0) return 'now'
  const parts: string[] = []
  let rest = ms
  for (const [name, unit] of UNITS.slice(first, first + 2)) {
    const count = Math.floor(rest / unit)
    rest -= count * unit
    if (count > 0) parts.push(`${count} ${name}`)
  }
  return parts.join(' ')
}

/** `2026-01-01 00:00:00 UTC`. */
export const timeText = (at: number): string =>
  `${new Date(at).toISOString().slice(0, 19).replace('T', ' ')} UTC`

/** `2026-01-01 00:00:00 UTC (in 5 m)`. */
export function whenText(at: number, now: number): string {
  const far = span(Math.abs(at - now))
  if (far === 'now') return `${timeText(at)} (now)`
  return `${timeText(at)} (${at > now ? `in ${far}` : `${far} ago`})`
}

/** ISO 8601, for machines. */
export const isoTime = (at: number): string => new Date(at).toISOString()

/** `600/m`, `100/5 m`: the notation that `limit set --rate` reads. */
export function rateText({ messages, perMs }: NonNullable<Limits['rate']>): string {
  const unit = UNITS.find(([, ms]) => ms === perMs)
  return `${messages}/${unit === undefined ? span(perMs) : unit[0]}`
}

/** `1,234,567`. */
export const countText = (count: number): string => String(count).replace(/\B(?=(?:\d{3})+$)/g, ',')
