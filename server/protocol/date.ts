/**
 * Dates of mail headers (RFC 5322 §3.3). Reads the obsolete forms that are still sent, writes only the current one,
 * always in UTC.
 */

const MONTHS = 'janfebmaraprmayjunjulaugsepoctnovdec'
const DATE =
  /^\s*(?:(?:mon|tue|wed|thu|fri|sat|sun)\s*,\s*)?(\d{1,2})\s+(jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)\s+(\d{2,4})\s+(\d{1,2}):(\d{2})(?::(\d{2}))?\s+([+-]\d{4}|[a-z]{1,5})\s*(?:\(|$)/i
/** RFC 5322 §4.3; any other letters count as UTC. */
const ZONE_HOURS: Readonly<Record<string, number>> = {
  EST: -5,
  EDT: -4,
  CST: -6,
  CDT: -5,
  MST: -7,
  MDT: -6,
  PST: -8,
  PDT: -7,
}

/** `Tue, 3 Jun 2025 10:00:00 +0200 (CEST)` → epoch ms, or undefined when it is not a date. */
export function parseMailDate(text: string): number | undefined {
  const found = DATE.exec(text)
  if (found === null) return undefined
  const [, day = '', month = '', yearText = '', hour = '', minute = '', second = '0', zone = ''] =
    found
  let year = Number(yearText)
  // RFC 5322 §4.3: two digits below 50 are 20xx, other short years count from 1900.
  if (yearText.length < 4) year += yearText.length === 2 && year < 50 ? 2000 : 1900
  const monthIndex = MONTHS.indexOf(month.toLowerCase()) / 3
  if (Number(hour) > 23 || Number(minute) > 59 || Number(second) > 60) return undefined
  const midnight = Date.UTC(year, monthIndex, Number(day))
  if (new Date(midnight).getUTCDate() !== Number(day)) return undefined
  const inDay = (Number(hour) * 60 + Number(minute) - zoneMinutes(zone)) * 60 + Number(second)
  return midnight + inDay * 1000
}

function zoneMinutes(zone: string): number {
  if (!/^[+-]/.test(zone)) return (ZONE_HOURS[zone.toUpperCase()] ?? 0) * 60
  const minutes = Number(zone.slice(1, 3)) * 60 + Number(zone.slice(3))
  return zone.startsWith('-') ? -minutes : minutes
}

/** Epoch ms → `Tue, 03 Jun 2025 10:00:00 +0000`. */
export const formatMailDate = (at: number): string =>
  new Date(at).toUTCString().replace('GMT', '+0000')
