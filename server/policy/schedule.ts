/**
 * The notation of retry schedules: `5m, 10m*2, 1h*3` is five minutes, twice ten minutes, then an hour; the last step
 * goes on for ever. Must never accept a schedule that would hammer a host: a step has at least one second.
 */
import { AppError } from '../core/errors.ts'

/** Waiting times in ms, one per attempt that failed; the last one repeats. Never empty. */
export type Schedule = readonly number[]

const UNIT_MS: Readonly<Record<string, number>> = {
  s: 1_000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
}
const MAX_STEPS = 1_000
const MAX_STEP_MS = 7 * 86_400_000

/**
 * Reads `<number><s|m|h|d>[*<times>]`, separated by commas. Throws AppError CONFIG_INVALID whose public text names the
 * step and what is wrong with it.
 */
export function parseSchedule(text: string): Schedule {
  const schedule = text.split(',').flatMap((part, index) => readStep(part.trim(), index + 1))
  if (schedule.length > MAX_STEPS) throw invalid(`it has more than ${MAX_STEPS} steps`)
  return schedule
}

function readStep(step: string, number: number): readonly number[] {
  const match = /^(\d{1,9})([smhd])(?:\s?\*\s?(\d{1,4}))?$/.exec(step)
  if (match === null)
    throw invalid(
      `step ${number} is "${step.slice(0, 40)}"; a step is a number, a unit (s, m, h or d) and maybe a count, such as 10m*2`,
    )
  const [, count = '', unit = '', times = '1'] = match
  const ms = Number(count) * (UNIT_MS[unit] ?? 0)
  if (ms === 0) throw invalid(`step ${number} waits no time at all`)
  if (ms > MAX_STEP_MS) throw invalid(`step ${number} waits longer than 7d`)
  if (Number(times) === 0) throw invalid(`step ${number} is repeated zero times; leave it out`)
  return new Array<number>(Number(times)).fill(ms)
}

const invalid = (problem: string): AppError =>
  new AppError('CONFIG_INVALID', { public: `The retry schedule is not valid: ${problem}.` })

/** The wait after the given number of failed attempts (from 1), in ms. */
export const waitAfter = (schedule: Schedule, attempts: number): number =>
  schedule[Math.min(Math.max(attempts, 1), schedule.length) - 1] ?? MAX_STEP_MS
