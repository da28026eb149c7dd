/** Places for connections, and how long wrong logins wait. */
import { describe, expect, test } from 'vitest'
import { asId } from '../../../server/core/ids.ts'
import { makeAuthThrottle } from '../../../server/smtp/auth-throttle.ts'
import { makeConnectionLimits } from '../../../server/smtp/connection-limits.ts'
import { makeGate } from '../../../server/smtp/gate.ts'
import { manualClock } from '../../support/clock.ts'

describe('connections', () => {
  test('are limited per address, and places come back', () => {
    const limits = makeConnectionLimits({ connections: 10, perAddress: 2 })
    expect(limits.admit('192.0.2.1')).toBe('admitted')
    expect(limits.admit('::ffff:192.0.2.1')).toBe('admitted')
    expect(limits.admit('192.0.2.1')).toBe('address')
    expect(limits.admit('192.0.2.2')).toBe('admitted')
    limits.release('192.0.2.1')
    expect(limits.admit('192.0.2.1')).toBe('admitted')
    expect(limits.open).toBe(3)
  })
  test('are limited per /64 on IPv6', () => {
    const limits = makeConnectionLimits({ connections: 10, perAddress: 1 })
    expect(limits.admit('2001:db8::1')).toBe('admitted')
    expect(limits.admit('2001:db8::2')).toBe('address')
    expect(limits.admit('2001:db8:0:1::1')).toBe('admitted')
  })
  test('are limited in all; a refused one takes no place of its address', () => {
    const limits = makeConnectionLimits({ connections: 1, perAddress: 1 })
    expect(limits.admit('192.0.2.1')).toBe('admitted')
    expect(limits.admit('192.0.2.2')).toBe('total')
    limits.release('192.0.2.1')
    expect(limits.admit('192.0.2.2')).toBe('admitted')
  })
  test('are limited per login', () => {
    const limits = makeConnectionLimits({ connections: 10, perAddress: 10 })
    const login = asId('credential', 7)
    expect(limits.admitLogin(login, 1)).toBe(true)
    expect(limits.admitLogin(login, 1)).toBe(false)
    expect(limits.admitLogin(asId('credential', 8), 1)).toBe(true)
    limits.releaseLogin(login)
    expect(limits.admitLogin(login, 1)).toBe(true)
  })
})

describe('wrong logins', () => {
  test('wait longer each time, up to 8 s', () => {
    const throttle = makeAuthThrottle(manualClock())
    const delays = Array.from({ length: 7 }, () => throttle.fail('192.0.2.1'))
    expect(delays).toEqual([250, 500, 1_000, 2_000, 4_000, 8_000, 8_000])
    expect(throttle.fail('192.0.2.2')).toBe(250)
  })
  test('are forgotten after a right one, and after a while', async () => {
    const clock = manualClock()
    const throttle = makeAuthThrottle(clock)
    throttle.fail('192.0.2.1')
    throttle.succeed('192.0.2.1')
    expect(throttle.fail('192.0.2.1')).toBe(250)
    await clock.advance(15 * 60_000)
    expect(throttle.fail('192.0.2.1')).toBe(250)
  })
  test('of very many clients do not fill the memory: the oldest is forgotten', () => {
    const throttle = makeAuthThrottle(manualClock())
    throttle.fail('192.0.2.1')
    for (let i = 0; i < 10_000; i++) throttle.fail(`10.0.${i >> 8}.${i & 255}`)
    expect(throttle.fail('192.0.2.1')).toBe(250)
    expect(throttle.fail('10.0.39.15')).toBe(500)
  })
})

test('a gate lets in as many as it has places, the others in their order', async () => {
  const gate = makeGate(2)
  const inside: number[] = []
  const leave = await Promise.all([gate.enter(), gate.enter()])
  const waiting = [3, 4].map((n) => gate.enter().then(() => inside.push(n)))
  await Promise.resolve()
  expect(inside).toEqual([])
  leave[0]()
  leave[0]()
  await waiting[0]
  expect(inside).toEqual([3])
  leave[1]()
  await waiting[1]
  expect(inside).toEqual([3, 4])
})
