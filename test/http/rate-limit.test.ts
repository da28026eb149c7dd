import type { FastifyReply } from 'fastify'
import { expect, test } from 'vitest'
import { AppError } from '../../server/core/errors.ts'
import { makeRateLimit, takeToken } from '../../server/http/rate-limit.ts'
import type { Bucket } from '../../server/http/rate-limit.ts'
import { manualClock } from '../support/clock.ts'

const LIMITS = { perSecond: 10, burst: 5 }

test.each<
  [why: string, bucket: Bucket | undefined, now: number, ok: boolean, left: number, waitMs: number]
>([
  ['a new bucket is full', undefined, 0, true, 4, 0],
  ['the last token', { tokens: 1, at: 0 }, 0, true, 0, 100],
  ['nothing left', { tokens: 0, at: 0 }, 0, false, 0, 100],
  ['half a token is none', { tokens: 0, at: 0 }, 50, false, 0.5, 50],
  ['a token has come', { tokens: 0, at: 0 }, 100, true, 0, 100],
  ['a bucket holds no more than its burst', { tokens: 0, at: 0 }, 1e9, true, 4, 0],
  ['time that runs back gives nothing', { tokens: 0, at: 1000 }, 0, false, 0, 100],
])('%s', (_why, bucket, now, ok, left, waitMs) => {
  expect(takeToken(bucket, LIMITS, now)).toEqual({ ok, bucket: { tokens: left, at: now }, waitMs })
})

test('over any stretch no more than burst plus rate pass', () => {
  let bucket: Bucket | undefined
  let passed = 0
  for (let now = 0; now <= 10_000; now += 7) {
    const taken = takeToken(bucket, LIMITS, now)
    bucket = taken.bucket
    if (taken.ok) passed++
  }
  expect(passed).toBeGreaterThanOrEqual(104)
  expect(passed).toBeLessThanOrEqual(105)
})

test.each<[why: string, own: number | undefined, limit: string, passed: number]>([
  ['without a rate of its own a key has the configured one', undefined, '20', 20],
  ['its own rate makes it narrower, the burst in proportion', 2, '4', 4],
  ['and never wider', 1_000, '20', 20],
  ['the burst is in proportion here too', 1, '2', 2],
])('%s', (_why, own, limit, passed) => {
  const headers = new Map<string, string>()
  const reply = { header: (name: string, value: string) => headers.set(name, value) }
  const rate = makeRateLimit({ perSecond: 10, burst: 20 }, manualClock())
  let count = 0
  const take = (): void => rate.take(1, reply as unknown as FastifyReply, own)
  expect(() => {
    for (;;) {
      take()
      count++
    }
  }).toThrow(AppError)
  expect([count, headers.get('ratelimit-limit')]).toEqual([passed, limit])
})

test('a narrower rate is in force at once, whatever the bucket held', () => {
  const reply = { header: () => undefined } as unknown as FastifyReply
  const rate = makeRateLimit({ perSecond: 10, burst: 20 }, manualClock())
  rate.take(1, reply)
  rate.take(1, reply, 1)
  rate.take(1, reply, 1)
  expect(() => rate.take(1, reply, 1)).toThrow(AppError)
})
