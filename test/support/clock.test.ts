/** The manual clock must be as honest as a real one: order, moments, cancelling, and settling in between. */
import { connect, createServer, type AddressInfo } from 'node:net'
import { once } from 'node:events'
import { expect, test } from 'vitest'
import { manualClock, TEST_START } from './clock.ts'

test('time stands still until it is moved', async () => {
  const clock = manualClock()
  await new Promise((resolve) => setTimeout(resolve, 5))
  expect(clock.now()).toBe(TEST_START)
  await clock.advance(1_500)
  expect(clock.now()).toBe(TEST_START + 1_500)
  expect(manualClock(42).now()).toBe(42)
})

test('timers run in order of their time, then of their making, each at its own moment', async () => {
  const clock = manualClock(0)
  const ran: string[] = []
  const note = (name: string) => (): void => void ran.push(`${name}@${clock.now()}`)
  clock.after(30, note('c'))
  clock.after(10, note('a'))
  clock.after(10, note('b'))
  clock.after(31, note('later'))
  clock.after(-5, note('past'))
  await clock.advance(30)
  expect(ran).toEqual(['past@0', 'a@10', 'b@10', 'c@30'])
  expect(clock.pending()).toBe(1)
})

test('a timer that makes a timer: the second runs in the same move', async () => {
  const clock = manualClock(0)
  const ran: number[] = []
  clock.after(10, () => {
    clock.after(10, () => void ran.push(clock.now()))
  })
  await clock.advance(25)
  expect(ran).toEqual([20])
  expect(clock.now()).toBe(25)
})

test('a cancelled timer does not run, also when it is cancelled by one of the same moment', async () => {
  const clock = manualClock(0)
  let ran = false
  clock.after(10, () => second.cancel())
  const second = clock.after(10, () => (ran = true))
  await clock.advance(10)
  expect(ran).toBe(false)
  second.cancel()
  expect(clock.pending()).toBe(0)
})

test('an async loop over sleep takes the time it sleeps', async () => {
  const clock = manualClock(0)
  const times: number[] = []
  void (async () => {
    for (const ms of [10, 20, 30]) {
      await clock.sleep(ms)
      await Promise.resolve()
      times.push(clock.now())
    }
  })()
  await clock.advance(1_000)
  expect(times).toEqual([10, 30, 60])
})

test('a socket can answer between two timers', async () => {
  const server = createServer((socket) => socket.pipe(socket)).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const socket = connect((server.address() as AddressInfo).port, '127.0.0.1')
  await once(socket, 'connect')
  const clock = manualClock(0)
  let answered = 0
  socket.on('data', () => answered++)
  clock.after(10, () => socket.write('x'))
  await clock.advance(10)
  for (let turn = 0; answered === 0 && turn < 1_000; turn++) await clock.settle()
  expect(answered).toBe(1)
  expect(clock.now()).toBe(10)
  socket.destroy()
  server.close()
})

test('sleep ends at once when its signal aborts, and leaves no timer', async () => {
  const clock = manualClock(0)
  const given = new AbortController()
  const slept = clock.sleep(3_600_000, given.signal)
  given.abort()
  await slept
  await clock.sleep(3_600_000, AbortSignal.abort())
  expect(clock.pending()).toBe(0)
})
