/** Bodies while they arrive: in memory, in a file, too large, abandoned. */
import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { randomBytes } from 'node:crypto'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { realRandom } from '../../../server/ports.ts'
import { makeBodies } from '../../../server/smtp/receive.ts'
import type { Bodies, Body } from '../../../server/smtp/receive.ts'

let tempDir = ''
beforeAll(async () => {
  tempDir = await mkdtemp(join(tmpdir(), 'posthorn-receive-'))
})
afterAll(() => rm(tempDir, { recursive: true }))

const bodies = (more: { spoolOver?: number; memory?: number; readBack?: number } = {}): Bodies =>
  makeBodies({
    spoolOver: 100_000,
    memory: 10_000_000,
    readBack: 2,
    tempDir,
    random: realRandom,
    ...more,
  })

async function fill(body: Body, bytes: Buffer, piece: number): Promise<void> {
  for (let at = 0; at < bytes.length; at += piece) {
    body.push(Buffer.from(bytes.subarray(at, at + piece)))
    await body.busy
  }
}

test.each([
  [0, 1, 'nothing'],
  [5_000, 5_000, 'one piece'],
  [5_000, 7, 'many small pieces'],
  [100_000, 16_384, 'as much as fits in memory'],
  [100_001, 16_384, 'one more goes to a file'],
  [1_000_000, 65_536, 'a large one'],
  [150_000, 150_000, 'a large one in one piece'],
])('%i bytes in pieces of %i come back as they were (%s)', async (size, piece) => {
  const pool = bodies()
  const body = pool.start(2_000_000)
  const bytes = randomBytes(size)
  await fill(body, bytes, piece)
  expect(body.size).toBe(size)
  expect(Buffer.compare(await body.finish(), bytes)).toBe(0)
  body.release()
  body.release()
  expect(pool.held).toBe(0)
  expect(await readdir(tempDir)).toEqual([])
})

test('a body over the limit is counted but not kept', async () => {
  const pool = bodies()
  const body = pool.start(10_000)
  await fill(body, randomBytes(500_000), 5_000)
  expect(body.size).toBe(500_000)
  expect(pool.held).toBe(0)
  expect(() => body.finish()).toThrow('larger than 10000 octets')
  body.release()
})

test('when memory is short, bodies go to files before their time', async () => {
  const pool = bodies({ memory: 100_000 })
  const all = Array.from({ length: 10 }, () => pool.start(1_000_000))
  for (const body of all) await fill(body, randomBytes(60_000), 10_000)
  expect(pool.held).toBeLessThan(300_000)
  for (const body of all) {
    expect((await body.finish()).length).toBe(60_000)
    body.release()
  }
  expect(pool.held).toBe(0)
})

test('only so many large bodies are in memory at a time', async () => {
  const pool = bodies({ readBack: 1 })
  const [first, second] = [pool.start(1_000_000), pool.start(1_000_000)]
  await fill(first, randomBytes(200_000), 65_536)
  await fill(second, randomBytes(200_000), 65_536)
  await first.finish()
  let isIn = false
  const waiting = Promise.resolve(second.finish()).then(() => (isIn = true))
  await new Promise((resolve) => setTimeout(resolve, 50))
  expect(isIn).toBe(false)
  first.release()
  await waiting
  expect(isIn).toBe(true)
  second.release()
})

test('a client that leaves while it waits does not take the place with it', async () => {
  const pool = bodies({ readBack: 1 })
  const [first, gone, last] = [pool.start(1e6), pool.start(1e6), pool.start(1e6)]
  for (const body of [first, gone, last]) await fill(body, randomBytes(200_000), 65_536)
  await first.finish()
  const abandoned = gone.finish()
  gone.release()
  const waiting = last.finish()
  first.release()
  await abandoned
  expect((await waiting).length).toBe(200_000)
  last.release()
})

test('an abandoned body leaves nothing', async () => {
  const pool = bodies()
  const body = pool.start(1_000_000)
  body.push(randomBytes(200_000))
  body.release()
  await new Promise((resolve) => setTimeout(resolve, 50))
  expect(pool.held).toBe(0)
  expect(await readdir(tempDir)).toEqual([])
})

test('a directory that is not there is told as the store being unavailable', async () => {
  const pool = makeBodies({
    spoolOver: 1_000,
    memory: 1e6,
    readBack: 1,
    tempDir: join(tempDir, 'missing'),
    random: realRandom,
  })
  const body = pool.start(1_000_000)
  await fill(body, randomBytes(50_000), 5_000)
  expect(() => body.finish()).toThrow(expect.objectContaining({ code: 'STORE_UNAVAILABLE' }))
  expect(pool.held).toBe(0)
  body.release()
})
